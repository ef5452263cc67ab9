"""Registry of this process's sessions: created, started, stopped, drained."""

import asyncio
import contextlib
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable

from lite_gateway.errors import GatewayError, Refused
from lite_gateway.metrics import Metrics
from lite_gateway.sessions.assembly import LiveSession
from lite_gateway.sessions.lite_input import LiteInput
from lite_gateway.sessions.record import SessionRecord
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.sessions.session import EndInfo
from lite_gateway.sessions.session_config import (
    IdentityClaim,
    SessionConfig,
    SessionOwner,
)
from lite_gateway.store.models import now
from lite_gateway.telemetry.context import enter_session
from protocol.lite.messages import EndReason

log = logging.getLogger(__name__)

MAX_UNSTARTED = 10_000  # sessions that wait for a start; then the oldest is dropped
SANDBOX_S = 60.0
LEAVE_S = 5.0  # a session that loses its identity has so long to leave its room
STOP_S = 2.0  # a stop waits so long for the end, so that the caller can read it back
RETRY_S = 5.0  # Retry-After of a start that found no slot
SHUT_DOWN = "the server is shutting down"
_FAILED = EndInfo(EndReason.SERVER_ERROR, "the server failed; start a new session")
_SHUT_DOWN = EndInfo(EndReason.SERVER_ERROR, SHUT_DOWN)

# Joins the session's room; raises `GatewayError` and leaves nothing open if it cannot.
OpenSession = Callable[[SessionRecord], Awaitable[LiveSession]]
CloseSession = Callable[[SessionRecord], Awaitable[None]]  # leaves the room


class SessionRegistry:
    """
    Sessions of one process, and the slots and room identities that they hold.

    A slot is taken before a session joins its room and freed after it has left. There
    is no queue: without a free slot a start is refused. ``group`` is the server's own
    task group: its sessions end with it.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        recorder: HistoryRecorder,
        *,
        open_session: OpenSession,
        close_session: CloseSession,
        max_sessions: int,
        metrics: Metrics,
    ) -> None:
        self._group = group
        self._recorder = recorder
        self._open = open_session
        self._close = close_session
        self._max_sessions = max_sessions  # 0: draining
        self._metrics = metrics
        self._records: dict[str, SessionRecord] = {}
        self._claims: dict[IdentityClaim, SessionRecord] = {}
        self._slots: list[SessionRecord] = []  # sessions that hold a slot
        self._empty = asyncio.Event()
        self._empty.set()
        self._count_slots()

    async def create(self, config: SessionConfig, owner: SessionOwner) -> SessionRecord:
        """Keep a new session until it is started; drop the oldest if there are many."""
        unstarted = [r for r in self._records.values() if r.unstarted]
        if len(unstarted) >= MAX_UNSTARTED:
            del self._records[unstarted[0].id]
        record = SessionRecord(str(uuid.uuid4()), config, owner)
        await self._recorder.create(record.history_row())
        self._records[record.id] = record
        return record

    async def start(self, session_id: str) -> tuple[SessionRecord, int] | None:
        """
        Join the session's room, and return the session and the number of this start.

        A second start returns the running session. Returns None for a session that is
        not in this registry; raises `GatewayError` if the session cannot be started.
        """
        record = self._records.get(session_id)
        if record is None:
            return None
        record.start_count = start = record.start_count + 1
        async with record.start_lock:
            if record.live is None:
                if record.ended.is_set():  # an earlier start has failed meanwhile
                    return None
                await self._start(record)
            elif end_info := record.live.session.end_info:
                raise Refused(
                    409, f"this session has ended ({end_info.text}); create a new one"
                )
        return record, start

    async def start_in_background(
        self, config: SessionConfig, owner: SessionOwner
    ) -> SessionRecord:
        """
        Create a session and start it without waiting for the room.

        If the avatar of the same agent is already in that room, return its session. The
        avatar of another agent, or one that is ending, is replaced.
        """
        if running := self._find_running(config, owner):
            return running
        record = SessionRecord(str(uuid.uuid4()), config, owner)
        self._take_slot(record)
        self._records[record.id] = record
        await record.start_lock.acquire()
        try:
            await self._recorder.create(record.history_row())
        except BaseException:
            self._forget(record)
            self._free_slot(record)
            raise
        self._group.create_task(
            self._join_in_background(record), name=f"start {record.id}"
        )
        return record

    def _find_running(
        self, config: SessionConfig, owner: SessionOwner
    ) -> SessionRecord | None:
        """Return the session that runs for this room, identity and agent, or None."""
        for record in self._slots:
            own_claim = record.config.identity_claim
            if own_claim is None or own_claim != config.identity_claim:
                continue
            if record.owner.key_id != owner.key_id:
                raise Refused(
                    409,
                    "the avatar of another API key is in that room with this identity",
                )
            runs = record.active or (
                record.live is None and record.requested_end is None
            )
            if runs and record.config.has_same_agent(config):
                return record
        return None

    async def _join_in_background(self, record: SessionRecord) -> None:
        try:
            await self._join(record)
        except Exception as error:  # boundary: no caller waits for this start
            if not isinstance(error, GatewayError):
                log.exception("session failed to start, session=%s", record.id)
            log.warning("session not started, session=%s: %s", record.id, error)
            if record.id in self._records:
                await self._record_end(
                    record, EndInfo(EndReason.SERVER_ERROR, str(error))
                )
        finally:
            record.start_lock.release()

    async def _start(self, record: SessionRecord) -> None:
        self._take_slot(record)
        await self._join(record)

    async def _join(self, record: SessionRecord) -> None:
        """Claim the identity, join the room and run the session in the background."""
        enter_session(record.id)  # for the log; the session's own task inherits it
        try:
            await self._claim_identity(record)
            record.live = live = await self._open(record)
        except BaseException:
            await self._release(record)
            if record.requested_end is not None:
                await self._record_end(record, record.requested_end)
            raise
        if record.requested_end is not None:
            record.end(record.requested_end)
        self._group.create_task(self._run(record, live), name=f"session {record.id}")
        await self._recorder.record_start(record.id, now())

    async def _run(self, record: SessionRecord, live: LiveSession) -> None:
        log.info(
            "session started, session=%s avatar=%s", record.id, record.config.avatar
        )
        with self._metrics.sessions.track_inprogress():
            try:
                await live.run()
            finally:
                try:
                    await self._record_end(record, live.session.end_info or _FAILED)
                finally:
                    await self._release(record)

    async def _record_end(self, record: SessionRecord, end_info: EndInfo) -> None:
        reason = end_info.reason.value
        self._metrics.sessions_ended.labels(reason).inc()
        log.info("session ended, session=%s reason=%s", record.id, reason)
        try:
            await self._recorder.record_end(record.id, now(), reason, end_info.text)
        finally:
            self._forget(record)

    def _forget(self, record: SessionRecord) -> None:
        self._records.pop(record.id, None)
        record.ended.set()

    async def _release(self, record: SessionRecord) -> None:
        """Leave the room, then free the identity and the slot."""
        try:
            await self._close(record)
        finally:
            claim = record.config.identity_claim
            if claim is not None and self._claims.get(claim) is record:
                del self._claims[claim]
            self._free_slot(record)

    # Slots and identities.

    def _take_slot(self, record: SessionRecord) -> None:
        self._check_free_slot(record.owner)
        self._slots.append(record)
        self._count_slots()
        record.room_left.clear()
        self._empty.clear()

    def _free_slot(self, record: SessionRecord) -> None:
        self._slots.remove(record)
        self._count_slots()
        record.room_left.set()
        if not self._slots:
            self._empty.set()

    def _count_slots(self) -> None:
        self._metrics.slots_free.set(self.slots_free)

    def _check_free_slot(self, owner: SessionOwner) -> None:
        of_owner = sum(record.owner.key_id == owner.key_id for record in self._slots)
        if not self._max_sessions:
            text = f"{SHUT_DOWN}; try another one"
        elif len(self._slots) >= self._max_sessions:
            text = (
                f"all {self._max_sessions} session slots are in use; "
                "stop a session or try again later"
            )
        elif owner.max_sessions and of_owner >= owner.max_sessions:
            text = (
                f"this API key may have {owner.max_sessions} sessions at once; "
                "stop one of them or try again later"
            )
        else:
            return
        raise Refused(429, text, retry_s=RETRY_S)

    async def _claim_identity(self, record: SessionRecord) -> None:
        """Claim the identity in the room; first end a session that may be replaced."""
        claim = record.config.identity_claim
        if claim is None:
            return
        while holder := self._claims.get(claim):
            if not holder.allows_preemption_by(record):
                raise Refused(
                    409,
                    f"session {holder.id} is in that room as {claim[2]!r}; stop it, "
                    "or use a token with another identity",
                )
            text = "its client is gone, and another session took its identity"
            holder.end(EndInfo(EndReason.USER_DISCONNECTED, text))
            try:
                async with asyncio.timeout(LEAVE_S):
                    await holder.room_left.wait()
            except TimeoutError:
                raise Refused(
                    409, f"session {holder.id} is still leaving that room; try again"
                ) from None
        self._claims[claim] = record

    # Stop and drain.

    async def stop(self, session_id: str, reason: EndReason) -> None:
        """End a session. An ended or unknown session is no error."""
        record = self._records.get(session_id)
        if record is None:
            return
        end_info = EndInfo(reason, f"stopped by a call ({reason.value})")
        if record.unstarted:
            self._forget(record)
            await self._recorder.record_end(
                record.id, now(), reason.value, end_info.text
            )
            return
        record.end(end_info)
        if record.live is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await record.ended.wait()

    async def drain(self, grace_s: float) -> None:
        """End every session, start no more, and wait until all rooms are left."""
        self._max_sessions = 0
        self._count_slots()
        for record in self._slots:
            record.end(_SHUT_DOWN)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._empty.wait()

    # Queries.

    @property
    def slots_taken(self) -> int:
        return len(self._slots)

    @property
    def slots_free(self) -> int:
        return max(0, self._max_sessions - len(self._slots))

    def get(self, session_id: str) -> SessionRecord | None:
        """Return a session that was created here and has not ended."""
        return self._records.get(session_id)

    def lite_input(self, session_id: str, secret: str) -> LiteInput | None:
        """Return the LITE input that a ``ws_url`` names, if its secret is right."""
        record = self._records.get(session_id)
        if record is None or record.live is None or not record.active:
            return None
        matches = hmac.compare_digest(secret.encode(), record.secret.encode())
        speech = record.live.speech
        return speech if matches and isinstance(speech, LiteInput) else None
