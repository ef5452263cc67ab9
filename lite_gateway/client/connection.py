"""A session's socket that comes back: a session outlives its sockets."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from lite_gateway.client.rest import ServerRefused

_CLOSE_S = 1.0  # events that nobody reads hold up a polite goodbye
_AGAIN_S, _LONGEST_S = 0.1, 1.0  # between two attempts
_STEADY_S = 1.0  # a connection that lived so long was one
# Closed without a goodbye, going away, too slow a reader, a fault, a restart, an
# overload, a bad proxy.  Any other code is the server's last word.
_COMES_BACK = frozenset({1006, 1001, 1008, 1011, 1012, 1013, 1014})


class Disconnected(ServerRefused):
    """The socket is closed, for good or for longer than was to be waited."""


class ReconnectingSocket:
    """
    Text frames both ways.

    A lost connection is made anew by whoever needs it next, reader or writer. The
    server keeps the events that were missed; of what was sent in the very moment of
    the loss some may not have arrived.
    """

    def __init__(self, url: str, socket: ClientConnection, reconnect_s: float) -> None:
        self._url = url
        self._socket = socket
        self._reconnect_s = reconnect_s
        self._dialed_s = self._lost_s = time.monotonic()
        self._coming_back = asyncio.Lock()

    async def send(self, text: str) -> None:
        """`Disconnected` when the connection is gone for good."""
        while True:
            socket = self._socket
            try:
                await socket.send(text)
            except ConnectionClosed:
                if not await self._came_back(socket):
                    why = f"the socket is closed: {self.goodbye}"
                    raise Disconnected(why) from None
            else:
                return

    async def send_once(self, frame: str | bytes) -> None:
        """Whatever it is, on the connection as it is; `ConnectionClosed`."""
        await self._socket.send(frame)

    async def texts(self) -> AsyncIterator[str | bytes]:
        """Until the server closes the socket for good."""
        while True:
            socket = self._socket
            with contextlib.suppress(ConnectionClosed):
                async for text in socket:
                    yield text
            if not await self._came_back(socket):
                return

    def vanish(self) -> None:
        """Drop the connection without a word, as a network does."""
        self._socket.transport.abort()

    @property
    def goodbye(self) -> str:
        """Why the socket closed, in the server's words."""
        return f"{self._socket.close_code} {self._socket.close_reason}"

    async def aclose(self) -> None:
        await self._socket.close()

    async def _came_back(self, lost: ClientConnection) -> bool:
        async with self._coming_back:
            if self._socket is not lost:  # somebody else has done it
                return True
            return lost.close_code in _COMES_BACK and await self._dialed_again()

    async def _dialed_again(self) -> bool:
        """A connection that is lost as soon as it is made does not buy more time."""
        now_s = time.monotonic()
        steady = now_s - self._dialed_s > _STEADY_S
        if steady:
            self._lost_s = now_s
        wait_s = 0.0 if steady else _AGAIN_S
        while time.monotonic() - self._lost_s < self._reconnect_s:
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_S) or _AGAIN_S
            with contextlib.suppress(OSError, InvalidHandshake):
                self._socket = await dial(self._url)
                self._dialed_s = time.monotonic()
                return True
        return False


async def dial(url: str) -> ClientConnection:
    return await connect(url, max_size=None, close_timeout=_CLOSE_S)
