"""
The history of this run, written down as it happens.

A session is minted only when that is written. Its start and end are written soon,
and until the database takes them: speech never waits for it.
"""

import asyncio
import contextlib
import datetime
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session as Db

from lite_gateway.errors import StoreUnavailable
from lite_gateway.store import history, instances
from lite_gateway.store.engine import Store
from lite_gateway.store.models import SessionRow

log = logging.getLogger(__name__)

OWED_MAX = 10_000  # notes kept for a database that is away; then the oldest go
PATIENCE_S = 1.0  # a caller who could read it back waits so long for a note
LAST_S = 2.0
_RETRY_S = 2.0
_DAY_S = 86_400.0

Lost = Callable[[str], Awaitable[None]]  # the room of a session that died is left


@dataclass(slots=True, eq=False)
class _PendingWrite:
    write: Callable[[Db], None]
    written: asyncio.Event = field(default_factory=asyncio.Event)


class HistoryRecorder:
    """Called on the event loop; writes through the store's thread."""

    def __init__(self, store: Store, *, lost: Lost, history_days: int) -> None:
        self._store = store
        self._lost = lost
        self._days = history_days
        self._owed: deque[_PendingWrite] = deque()
        self._news = asyncio.Event()
        self._rooms: list[str] = []
        self.instance = ""

    async def open(self) -> None:
        """Enter this run; close what dead ones left open."""
        self.instance = await self._store.run(instances.enter)
        await self._bury()

    async def mint(self, past: SessionRow) -> None:
        past.instance_id = self.instance
        await self._store.run(lambda db: db.add(past))

    async def started(self, session_id: str, when: datetime.datetime) -> None:
        await self._note(lambda db: history.started(db, session_id, when))

    async def ended(
        self, session_id: str, when: datetime.datetime, reason: str, text: str
    ) -> None:
        await self._note(lambda db: history.ended(db, session_id, when, reason, text))

    async def _note(self, write: Callable[[Db], None]) -> None:
        if len(self._owed) >= OWED_MAX:
            log.error("history lost a note: the database is away for too long")
            self._owed.popleft()
        note = _PendingWrite(write)
        self._owed.append(note)
        self._news.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await note.written.wait()

    async def run(self) -> None:
        """Write notes as they come, show that we live, bury and forget."""
        loop = asyncio.get_running_loop()
        beat_s = forget_s = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(beat_s):
                    await self._news.wait()
            try:
                await self._settle()
                if loop.time() >= beat_s:
                    await self._beat(forget=loop.time() >= forget_s)
                    beat_s = loop.time() + instances.BEAT_S
                    forget_s = max(forget_s, beat_s - _DAY_S) + _DAY_S
            except StoreUnavailable:
                log.warning("history waits for the database, notes=%d", len(self._owed))
                await asyncio.sleep(_RETRY_S)

    async def _settle(self) -> None:
        self._news.clear()
        while self._owed:
            note = self._owed[0]
            await self._store.run(note.write)
            note.written.set()
            if self._owed and self._owed[0] is note:
                self._owed.popleft()

    async def _beat(self, *, forget: bool) -> None:
        if not await self._store.run(lambda db: instances.seen(db, self.instance)):
            await self._store.run(lambda db: instances.again(db, self.instance))
        await self._bury()
        while self._rooms:
            await self._lost(self._rooms.pop())
        if forget:
            await self._store.run(lambda db: history.forget(db, self._days))

    async def _bury(self) -> None:
        lost = await self._store.run(lambda db: instances.bury(db, self.instance))
        for past, certain in lost:
            log.warning("session was lost with its gateway, session=%s", past.id)
            if certain and not past.own_room:
                self._rooms.append(past.id)

    async def close(self) -> None:
        """The last notes, and goodbye; bounded, also when the database is away."""
        try:
            async with asyncio.timeout(LAST_S):
                await self._settle()
                await self._store.run(lambda db: instances.leave(db, self.instance))
        except (TimeoutError, StoreUnavailable):
            log.warning("history could not be finished, notes=%d", len(self._owed))
