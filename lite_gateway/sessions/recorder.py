"""
Writer of the session history, and of this gateway's heartbeat.

A session exists only after its row is written. Its start and end are queued, and
retried until the database takes them: speech never waits for the database. One that
the database can never take is dropped, and the heartbeat waits behind none.
"""

import asyncio
import contextlib
import datetime
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session as Db

from lite_gateway.errors import StoreRejected, StoreUnavailable
from lite_gateway.metrics import Metrics
from lite_gateway.store import history, instances, transcripts
from lite_gateway.store.engine import Store
from lite_gateway.store.models import SessionRow

log = logging.getLogger(__name__)

MAX_PENDING = 10_000  # queued writes; then the oldest is dropped
# A request waits so long for its write, so that the client can read the result back.
WRITE_WAIT_S = 1.0
CLOSE_TIMEOUT_S = 2.0
# A write that the database refuses for so long, while it takes others, is dropped.
GIVE_UP_S = 600.0
_RETRY_S = 2.0
_AWAY_AFTER = 2  # failures in a row: then the other writes are not tried
_DAY_S = 86_400.0

DeleteRoom = Callable[[str], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _PendingWrite:
    """Write that waits in the queue for the database."""

    session_id: str
    kind: str  # start or end
    write: Callable[[Db], None]
    queued_s: float
    written: asyncio.Event = field(default_factory=asyncio.Event)


class HistoryRecorder:
    """
    Writer of this gateway's sessions to the database.

    Its methods run on the event loop and write through the store's threads.
    ``delete_room`` is called for the room of each session whose gateway has died.
    """

    def __init__(
        self,
        store: Store,
        *,
        delete_room: DeleteRoom,
        history_days: int,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._delete_room = delete_room
        self._history_days = history_days
        self._pending: deque[_PendingWrite] = deque()
        self._wakeup = asyncio.Event()
        self._orphan_rooms: list[str] = []
        self._dropped = metrics.history_dropped
        metrics.history_pending.set_function(lambda: len(self._pending))
        metrics.history_pending_seconds.set_function(lambda: self.pending_since_s)
        self.instance_id = ""

    @property
    def pending_since_s(self) -> float:
        """Seconds that the oldest queued write has waited; 0 if there is none."""
        if not self._pending:
            return 0.0
        oldest_s = min(pending.queued_s for pending in self._pending)
        return asyncio.get_running_loop().time() - oldest_s

    async def open(self) -> None:
        """Register this gateway, and close the sessions of gateways that died."""
        self.instance_id = await self._store.run(instances.register)
        await self._close_orphans()

    async def create(self, row: SessionRow) -> None:
        """Insert a session at once; raise the store's error if that fails."""
        row.instance_id = self.instance_id
        await self._store.run(lambda db: db.add(row))

    async def record_start(self, session_id: str, time: datetime.datetime) -> None:
        """Queue the start of a session."""
        await self._write(
            session_id, "start", lambda db: history.set_started(db, session_id, time)
        )

    async def record_end(
        self, session_id: str, time: datetime.datetime, reason: str, text: str
    ) -> None:
        """Queue the end of a session."""
        await self._write(
            session_id,
            "end",
            lambda db: history.set_ended(db, session_id, time, reason, text),
        )

    async def _write(
        self, session_id: str, kind: str, write: Callable[[Db], None]
    ) -> None:
        """Queue a write, and wait for it up to `WRITE_WAIT_S`."""
        if len(self._pending) >= MAX_PENDING:
            self._drop(self._pending[0], "full", "the database is down for too long")
        queued_s = asyncio.get_running_loop().time()
        pending = _PendingWrite(session_id, kind, write, queued_s)
        self._pending.append(pending)
        self._wakeup.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_WAIT_S):
                await pending.written.wait()

    def _drop(self, pending: _PendingWrite, reason: str, cause: object) -> None:
        """Give up a write that the history will miss."""
        self._forget(pending)
        self._dropped.labels(reason).inc()
        log.error(
            "history write dropped, session=%s kind=%s reason=%s: %s",
            *(pending.session_id, pending.kind, reason, cause),
        )

    def _forget(self, pending: _PendingWrite) -> None:
        """End the wait for a write. It is queued no more if the queue was full."""
        pending.written.set()
        with contextlib.suppress(ValueError):
            self._pending.remove(pending)

    async def run(self) -> None:
        """Write the queue when it fills; beside it send heartbeats and clean up."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write_queue(), name="history queue")
            group.create_task(self._send_heartbeats(), name="heartbeats")
            group.create_task(self._clean_up(), name="history clean-up")

    async def _write_queue(self) -> None:
        while True:
            await self._wakeup.wait()
            if not await self._flush():
                log.warning(
                    "history waits for the database, writes=%d", len(self._pending)
                )
                await asyncio.sleep(_RETRY_S)

    async def _flush(self) -> bool:
        """
        Write what is queued; return False if something is to be tried again.

        A write that fails goes to the end of the queue, so that no other waits behind
        it. After `_AWAY_AFTER` failures in a row the database counts as away.
        """
        self._wakeup.clear()
        failed: list[_PendingWrite] = []
        wrote, failures_in_a_row = False, 0
        for _ in range(len(self._pending)):
            if not self._pending or failures_in_a_row == _AWAY_AFTER:
                break
            pending = self._pending[0]
            try:
                await self._store.run(pending.write)
            except StoreUnavailable:
                failures_in_a_row += 1
                failed.append(pending)
                self._requeue(pending)
            except StoreRejected as error:
                self._drop(pending, error.reason, error)
            except Exception as error:  # boundary: one write must not stop the others
                self._drop(pending, "error", repr(error))
            else:
                wrote, failures_in_a_row = True, 0
                self._forget(pending)
        if wrote:
            self._give_up_old(failed)
        if self._pending:
            self._wakeup.set()
        return not failed

    def _requeue(self, pending: _PendingWrite) -> None:
        """Put a write at the end, unless a full queue has dropped it meanwhile."""
        if self._pending and self._pending[0] is pending:
            self._pending.rotate(-1)

    def _give_up_old(self, failed: list[_PendingWrite]) -> None:
        now_s = asyncio.get_running_loop().time()
        for pending in failed:
            if now_s - pending.queued_s >= GIVE_UP_S:
                self._drop(pending, "unwritable", "the database takes other writes")

    async def _send_heartbeats(self) -> None:
        """Tell other gateways that this one lives, whatever else waits."""
        instance_id = self.instance_id

        def beat(db: Db) -> None:
            if not instances.heartbeat(db, instance_id):
                instances.reregister(db, instance_id)

        while True:
            written = await self._attempt("heartbeat", self._store.run(beat))
            await asyncio.sleep(instances.HEARTBEAT_S if written else _RETRY_S)

    async def _clean_up(self) -> None:
        """Close the sessions of dead gateways; delete old history once a day."""
        loop = asyncio.get_running_loop()
        delete_old_s = loop.time()
        while True:
            await self._attempt("closing of lost sessions", self._close_orphans())
            while self._orphan_rooms:
                room = self._orphan_rooms.pop()
                await self._attempt("deletion of a lost room", self._delete_room(room))
            if loop.time() >= delete_old_s and await self._attempt(
                "deletion of old history",
                self._delete_old(),
            ):
                delete_old_s = loop.time() + _DAY_S
            await asyncio.sleep(instances.HEARTBEAT_S)

    async def _delete_old(self) -> None:
        """Delete old sessions, and before them their transcripts, in pieces."""
        days = self._history_days
        while await self._store.run(lambda db: transcripts.delete_old(db, days)):
            pass
        await self._store.run(lambda db: history.delete_old(db, days))

    async def _attempt(self, what: str, work: Awaitable[object]) -> bool:
        """Await ``work``; tell whether it succeeded. Nothing else depends on it."""
        try:
            await work
        except Exception as error:  # boundary: it is tried again later
            log.warning("%s failed, kind=%s: %s", what, type(error).__name__, error)
            return False
        return True

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
        except (TimeoutError, StoreUnavailable, StoreRejected) as error:
            log.warning("gateway not unregistered at close: %r", error)
        for pending in tuple(self._pending):
            self._drop(pending, "closed", "the gateway stops")
