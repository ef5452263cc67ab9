"""Client connection of a session over a Starlette WebSocket."""

import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect

from lite_gateway.http.frames import UNREAD_BYTES
from lite_gateway.long_steps import LongSteps
from lite_gateway.sessions.connection import Received, Unread

# Characters: 0.5 s of audio in base64. To handle 20 s takes a ms.
LARGE_MESSAGE = 1 << 15


class StarletteTransport:
    """
    Transport of a session's client connection.

    To handle a large message is a long step. It waits before it is returned, so that a
    message that waits has not been received yet, and no later one passes it.
    """

    def __init__(self, socket: WebSocket, steps: LongSteps) -> None:
        self._socket = socket
        self._steps = steps

    async def receive(self) -> Received | None:
        message = await self._socket.receive()
        if len(message.get("text") or message.get("bytes") or "") > LARGE_MESSAGE:
            await self._steps.wait()
        if message["type"] != "websocket.receive":
            return None
        if UNREAD_BYTES in message:
            return Unread(message[UNREAD_BYTES])
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"]

    async def send(self, text: str) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.send_text(text)

    async def close(self, code: int, reason: str) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close(code, reason)
