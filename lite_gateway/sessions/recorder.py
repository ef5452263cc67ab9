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

MAX_PENDING = 10_000  # notes kept for a database that is away; then the oldest go
PATIENCE_S = 1.0  # a caller who could read it back waits so long for a note
LAST_S = 2.0
_RETRY_S = 2.0
_DAY_S = 86_400.0

DeleteRoom = Callable[[str], Awaitable[None]]  # the room of a session that died is left


@dataclass(slots=True, eq=False)
class _PendingWrite:
    write: Callable[[Db], None]
    written: asyncio.Event = field(default_factory=asyncio.Event)


class HistoryRecorder:
    """Called on the event loop; writes through the store's thread."""

    def __init__(
        self, store: Store, *, delete_room: DeleteRoom, history_days: int
    ) -> None:
        self._store = store
        self._delete_room = delete_room
        self._days = history_days
        self._pending: deque[_PendingWrite] = deque()
        self._wakeup = asyncio.Event()
        self._rooms: list[str] = []
        self.instance_id = ""

    async def open(self) -> None:
        """Enter this run; close what dead ones left open."""
        self.instance_id = await self._store.run(instances.register)
        await self._close_orphans()

    async def create(self, past: SessionRow) -> None:
        past.instance_id = self.instance_id
        await self._store.run(lambda db: db.add(past))

    async def record_start(self, session_id: str, when: datetime.datetime) -> None:
        await self._note(lambda db: history.set_started(db, session_id, when))

    async def record_end(
        self, session_id: str, when: datetime.datetime, reason: str, text: str
    ) -> None:
        await self._note(
            lambda db: history.set_ended(db, session_id, when, reason, text)
        )

    async def _note(self, write: Callable[[Db], None]) -> None:
        if len(self._pending) >= MAX_PENDING:
            log.error("history lost a note: the database is away for too long")
            self._pending.popleft()
        note = _PendingWrite(write)
        self._pending.append(note)
        self._wakeup.set()
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
                    await self._wakeup.wait()
            try:
                await self._flush()
                if loop.time() >= beat_s:
                    await self._heartbeat(forget=loop.time() >= forget_s)
                    beat_s = loop.time() + instances.HEARTBEAT_S
                    forget_s = max(forget_s, beat_s - _DAY_S) + _DAY_S
            except StoreUnavailable:
                log.warning(
                    "history waits for the database, notes=%d", len(self._pending)
                )
                await asyncio.sleep(_RETRY_S)

    async def _flush(self) -> None:
        self._wakeup.clear()
        while self._pending:
            note = self._pending[0]
            await self._store.run(note.write)
            note.written.set()
            if self._pending and self._pending[0] is note:
                self._pending.popleft()

    async def _heartbeat(self, *, forget: bool) -> None:
        if not await self._store.run(
            lambda db: instances.heartbeat(db, self.instance_id)
        ):
            await self._store.run(lambda db: instances.reregister(db, self.instance_id))
        await self._close_orphans()
        while self._rooms:
            await self._delete_room(self._rooms.pop())
        if forget:
            await self._store.run(lambda db: history.delete_old(db, self._days))

    async def _close_orphans(self) -> None:
        lost = await self._store.run(
            lambda db: instances.close_orphans(db, self.instance_id)
        )
        for past, certain in lost:
            log.warning("session was lost with its gateway, session=%s", past.id)
            if certain and not past.own_room:
                self._rooms.append(past.id)

    async def close(self) -> None:
        """The last notes, and goodbye; bounded, also when the database is away."""
        try:
            async with asyncio.timeout(LAST_S):
                await self._flush()
                await self._store.run(
                    lambda db: instances.unregister(db, self.instance_id)
                )
        except (TimeoutError, StoreUnavailable):
            log.warning("history could not be finished, notes=%d", len(self._pending))
