"""
Writer of the session history, and of this gateway's heartbeat.

A session exists only after its row is written. Its start and end are queued, and
retried until the database takes them: speech never waits for the database.
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

MAX_PENDING = 10_000  # queued writes; then the oldest is dropped
# A request waits so long for its write, so that the client can read the result back.
WRITE_WAIT_S = 1.0
CLOSE_TIMEOUT_S = 2.0
_RETRY_S = 2.0
_DAY_S = 86_400.0

DeleteRoom = Callable[[str], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _PendingWrite:
    """Write that waits in the queue for the database."""

    write: Callable[[Db], None]
    written: asyncio.Event = field(default_factory=asyncio.Event)


class HistoryRecorder:
    """
    Writer of this gateway's sessions to the database.

    Its methods run on the event loop and write through the store's thread.
    ``delete_room`` is called for the room of each session whose gateway has died.
    """

    def __init__(
        self, store: Store, *, delete_room: DeleteRoom, history_days: int
    ) -> None:
        self._store = store
        self._delete_room = delete_room
        self._history_days = history_days
        self._pending: deque[_PendingWrite] = deque()
        self._wakeup = asyncio.Event()
        self._orphan_rooms: list[str] = []
        self.instance_id = ""

    async def open(self) -> None:
        """Register this gateway, and close the sessions of gateways that died."""
        self.instance_id = await self._store.run(instances.register)
        await self._close_orphans()

    async def create(self, row: SessionRow) -> None:
        """Insert a session at once; raise `StoreUnavailable` if that fails."""
        row.instance_id = self.instance_id
        await self._store.run(lambda db: db.add(row))

    async def record_start(self, session_id: str, time: datetime.datetime) -> None:
        """Queue the start of a session."""
        await self._write(lambda db: history.set_started(db, session_id, time))

    async def record_end(
        self, session_id: str, time: datetime.datetime, reason: str, text: str
    ) -> None:
        """Queue the end of a session."""
        await self._write(
            lambda db: history.set_ended(db, session_id, time, reason, text)
        )

    async def _write(self, write: Callable[[Db], None]) -> None:
        """Queue a write, and wait for it up to `WRITE_WAIT_S`."""
        if len(self._pending) >= MAX_PENDING:
            log.error("history write dropped: the database is down for too long")
            self._pending.popleft()
        pending = _PendingWrite(write)
        self._pending.append(pending)
        self._wakeup.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_WAIT_S):
                await pending.written.wait()

    async def run(self) -> None:
        """Flush the queue when it fills; send heartbeats; clean up once a day."""
        loop = asyncio.get_running_loop()
        heartbeat_s = cleanup_s = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(heartbeat_s):
                    await self._wakeup.wait()
            try:
                await self._flush()
                if loop.time() >= heartbeat_s:
                    await self._heartbeat(clean_up=loop.time() >= cleanup_s)
                    heartbeat_s = loop.time() + instances.HEARTBEAT_S
                    cleanup_s = max(cleanup_s, heartbeat_s - _DAY_S) + _DAY_S
            except StoreUnavailable:
                log.warning(
                    "history waits for the database, writes=%d", len(self._pending)
                )
                await asyncio.sleep(_RETRY_S)

    async def _flush(self) -> None:
        self._wakeup.clear()
        while self._pending:
            pending = self._pending[0]
            await self._store.run(pending.write)
            pending.written.set()
            # A full queue may have dropped it during the write.
            if self._pending and self._pending[0] is pending:
                self._pending.popleft()

    async def _heartbeat(self, *, clean_up: bool) -> None:
        instance_id = self.instance_id
        if not await self._store.run(lambda db: instances.heartbeat(db, instance_id)):
            await self._store.run(lambda db: instances.reregister(db, instance_id))
        await self._close_orphans()
        while self._orphan_rooms:
            await self._delete_room(self._orphan_rooms.pop())
        if clean_up:
            await self._store.run(lambda db: history.delete_old(db, self._history_days))

    async def _close_orphans(self) -> None:
        """
        Close the sessions of gateways that died.

        A room is deleted only if it is ours and its gateway is certainly gone.
        """
        orphans = await self._store.run(
            lambda db: instances.close_orphans(db, self.instance_id)
        )
        for row, certain in orphans:
            log.warning("session was lost with its gateway, session=%s", row.id)
            if certain and not row.own_room:
                self._orphan_rooms.append(row.id)

    async def close(self) -> None:
        """Flush the queue and unregister, within `CLOSE_TIMEOUT_S`."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._flush()
                await self._store.run(
                    lambda db: instances.unregister(db, self.instance_id)
                )
        except (TimeoutError, StoreUnavailable):
            log.warning("history not flushed at close, writes=%d", len(self._pending))
