"""WebSocket of a client session that reconnects when the connection is lost."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from websockets.asyncio import client
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from lite_gateway.client.rest import ServerRefused

# Unread events delay the closing handshake, so it gets little time.
_CLOSE_TIMEOUT_S = 1.0
_MIN_BACKOFF_S, _MAX_BACKOFF_S = 0.1, 1.0  # between two attempts to connect
_STABLE_S = 1.0  # a connection that lasted longer was a working one
# Close codes after which reconnecting can help: 1006 no close frame, 1001 going away,
# 1008 slow reader, 1011 server error, 1012 restart, 1013 overload, 1014 bad gateway.
# After any other code the session is over.
_RECONNECT_CODES = frozenset({1006, 1001, 1008, 1011, 1012, 1013, 1014})


class Disconnected(ServerRefused):
    """The socket is closed, and reconnecting failed or cannot help."""


class ReconnectingSocket:
    """
    WebSocket of text frames that reconnects after a loss.

    The reader or the writer reconnects, whichever uses the socket first. The server
    keeps the events that the client missed. Frames sent at the moment of the loss may
    be lost.
    """

    def __init__(
        self, url: str, socket: client.ClientConnection, reconnect_s: float
    ) -> None:
        self._url = url
        self._socket = socket
        self._reconnect_s = reconnect_s
        self._connected_s = self._lost_s = time.monotonic()
        self._reconnecting = asyncio.Lock()

    async def send(self, text: str) -> None:
        """Send a frame, on a new connection if needed; may raise `Disconnected`."""
        while True:
            socket = self._socket
            try:
                await socket.send(text)
            except ConnectionClosed:
                if not await self._reconnect(socket):
                    problem = f"the socket is closed: {self.close_reason}"
                    raise Disconnected(problem) from None
            else:
                return

    async def send_once(self, frame: str | bytes) -> None:
        """Send a frame on the current connection only; may raise `ConnectionClosed`."""
        await self._socket.send(frame)

    async def texts(self) -> AsyncIterator[str | bytes]:
        """Yield received frames until the socket is closed for good."""
        while True:
            socket = self._socket
            with contextlib.suppress(ConnectionClosed):
                async for text in socket:
                    yield text
            if not await self._reconnect(socket):
                return

    def abort(self) -> None:
        """Drop the connection without a close frame, as a network failure does."""
        self._socket.transport.abort()

    @property
    def close_reason(self) -> str:
        """Close code and reason of the last connection, as the server sent them."""
        return f"{self._socket.close_code} {self._socket.close_reason}"

    async def aclose(self) -> None:
        """Close the socket with the closing handshake."""
        await self._socket.close()

    async def _reconnect(self, lost: client.ClientConnection) -> bool:
        async with self._reconnecting:
            if self._socket is not lost:  # another task has reconnected meanwhile
                return True
            return lost.close_code in _RECONNECT_CODES and await self._try_to_connect()

    async def _try_to_connect(self) -> bool:
        """
        Connect within ``reconnect_s`` of the loss.

        A connection that is lost again within `_STABLE_S` does not start a new period.
        """
        now_s = time.monotonic()
        was_stable = now_s - self._connected_s > _STABLE_S
        if was_stable:
            self._lost_s = now_s
        wait_s = 0.0 if was_stable else _MIN_BACKOFF_S
        while time.monotonic() - self._lost_s < self._reconnect_s:
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _MAX_BACKOFF_S) or _MIN_BACKOFF_S
            with contextlib.suppress(ServerRefused):
                self._socket = await connect(self._url)
                self._connected_s = time.monotonic()
                return True
        return False


async def connect(url: str) -> client.ClientConnection:
    """
    Open a WebSocket without a limit on the size of messages.

    `ServerRefused` if the server cannot be reached, or refuses the connection.
    """
    try:
        return await client.connect(url, max_size=None, close_timeout=_CLOSE_TIMEOUT_S)
    except (OSError, InvalidHandshake, InvalidURI) as error:
        server = url.partition("?")[0]  # the rest may contain a token
        problem = f"the WebSocket {server} cannot be opened: {error}"
        raise ServerRefused(problem) from error
