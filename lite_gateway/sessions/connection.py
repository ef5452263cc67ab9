"""WebSocket connection of one client: a reader, a writer and a bounded queue."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Protocol

MAX_UNSENT = 512  # events that a client may leave unread
CLOSE_S = 2.0  # a client that does not read must not delay the close for longer
NORMAL, REPLACED, POLICY_VIOLATION = 1000, 4001, 1008


@dataclass(frozen=True, slots=True)
class Unread:
    """Message that was too long to be kept."""

    length: int  # bytes


Received = str | bytes | Unread


class WebSocketTransport(Protocol):
    """WebSocket as a session uses it."""

    async def receive(self) -> Received | None:
        """Return the next message, or None when the client has left."""
        ...

    async def send(self, text: str) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Close:
    code: int
    reason: str


class _Closed(Exception):
    """The gateway has closed the connection: reading ends."""


class ClientConnection:
    """
    Connection of one client, opened by `client_connection`.

    Iterate over it for the client's messages. `send` and `close` queue and return at
    once, so that a client that does not read delays no other one.
    """

    def __init__(self, transport: WebSocketTransport) -> None:
        self._transport = transport
        self._unsent: asyncio.Queue[str | _Close] = asyncio.Queue(MAX_UNSENT)
        self._overflow = asyncio.Event()

    def send(self, text: str) -> None:
        """Queue an event; a client with too many unread events is disconnected."""
        self._queue(text)

    def close(self, code: int, reason: str) -> None:
        """Send the queued events, then close."""
        self._queue(_Close(code, reason))

    def _queue(self, item: str | _Close) -> None:
        try:
            self._unsent.put_nowait(item)
        except asyncio.QueueFull:
            self._overflow.set()

    async def __aiter__(self) -> AsyncGenerator[Received, None]:
        while (message := await self._transport.receive()) is not None:
            yield message
            await asyncio.sleep(0)  # other tasks run between the messages of a flood

    async def _write(self) -> None:
        while True:
            match await self._unsent.get():
                case _Close(code, reason):
                    await self._transport.close(code, reason)
                    raise _Closed
                case str() as text:
                    await self._transport.send(text)

    async def _close_on_overflow(self) -> None:
        await self._overflow.wait()
        raise _Closed


@contextlib.asynccontextmanager
async def client_connection(
    transport: WebSocketTransport,
) -> AsyncIterator[ClientConnection]:
    """
    Open a connection, and write its queued events while the body reads.

    The body is cancelled when either side closes, without an error.

    A client that leaves more than `MAX_UNSENT` events unread is closed with 1008.
    """
    connection = ClientConnection(transport)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(connection._write(), name="ws writer"),
                group.create_task(connection._close_on_overflow(), name="ws overflow"),
            ]
            yield connection
            for task in tasks:
                task.cancel()
            # One of them may fail meanwhile. Python 3.11 leaves this one marked as
            # cancelled if it learns that only while the group ends.
            await asyncio.wait(tasks)
    except* _Closed:
        pass
    serving = asyncio.current_task()
    if serving is not None and serving.cancelling():
        # Python 3.11 drops a cancellation that meets `_Closed` in the same step.
        raise asyncio.CancelledError
    if connection._overflow.is_set():
        reason = f"{MAX_UNSENT} events are unread: read the socket, then reconnect"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await transport.close(POLICY_VIOLATION, reason)
