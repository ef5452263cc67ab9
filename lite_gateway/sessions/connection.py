"""One WebSocket of a session: a reader, a writer and a bounded queue between."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)

UNSENT_MAX = 256  # events a client may leave unread before it is cut off
CLOSE_S = 2.0  # a dead peer must not keep its place
NORMAL, REPLACED, POLICY = 1000, 4001, 1008


class WebSocketTransport(Protocol):
    """A WebSocket as its session sees it."""

    async def receive(self) -> str | bytes | None:
        """The next message; None when the peer has left."""
        ...

    async def send(self, text: str) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Close:
    code: int
    reason: str


class ClientConnection:
    def __init__(self, wire: WebSocketTransport) -> None:
        self._wire = wire
        self._unsent: asyncio.Queue[str | _Close] = asyncio.Queue(UNSENT_MAX)
        self._overrun = asyncio.Event()

    def send(self, text: str) -> None:
        """Queue an event. A client that never reads is cut off, nothing else waits."""
        try:
            self._unsent.put_nowait(text)
        except asyncio.QueueFull:
            self._overrun.set()

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then close."""
        try:
            self._unsent.put_nowait(_Close(code, reason))
        except asyncio.QueueFull:
            self._overrun.set()

    async def run(self, receive: Callable[[str | bytes], None]) -> None:
        """Until the peer leaves, the line is closed, or the peer does not read."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._read(receive), name="ws reader"),
                group.create_task(self._write(), name="ws writer"),
                group.create_task(self._watch(), name="ws watch"),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        if self._overrun.is_set():
            reason = f"{UNSENT_MAX} events are unread: read the socket, then reconnect"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._wire.close(POLICY, reason)

    async def _read(self, receive: Callable[[str | bytes], None]) -> None:
        while (message := await self._wire.receive()) is not None:
            receive(message)
            await asyncio.sleep(0)  # a flood takes its turn like everyone else

    async def _write(self) -> None:
        while True:
            match await self._unsent.get():
                case _Close(code, reason):
                    await self._wire.close(code, reason)
                    return
                case str() as text:
                    await self._wire.send(text)

    async def _watch(self) -> None:
        await self._overrun.wait()
