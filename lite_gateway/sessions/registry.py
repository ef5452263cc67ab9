"""Registry of this process's sessions: created, started, stopped, drained."""

import asyncio
import contextlib
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence

from lite_gateway.errors import GatewayError, Refused
from lite_gateway.metrics import Metrics
from lite_gateway.sessions import backgrounds
from lite_gateway.sessions.admission import Admission
from lite_gateway.sessions.assembly import LiveSession
from lite_gateway.sessions.identities import RoomIdentities
from lite_gateway.sessions.joins import (
    MAX_BACKGROUND_WAIT_S,
    MAX_WAIT_S,
    JoinLimiter,
)
from lite_gateway.sessions.lite_input import LiteInput
from lite_gateway.sessions.record import SessionRecord
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.sessions.session import EndInfo
from lite_gateway.sessions.session_config import SessionConfig, SessionOwner
from lite_gateway.sessions.unstarted import UnstartedSessions
from lite_gateway.store.models import now
from lite_gateway.telemetry.context import enter_session
from protocol.lite.messages import EndReason

log = logging.getLogger(__name__)

SANDBOX_S = 60.0
LEAVE_S = 10.0  # then a room counts as left, whatever LiveKit answers
STOP_S = 2.0  # a stop waits so long for the end, so that the caller can read it back
RETRY_S = 5.0  # Retry-After of a start that found no slot
SESSION_FAILED = EndInfo(
    EndReason.SERVER_ERROR, "the server failed; start a new session"
)
SHUT_DOWN = EndInfo(
    EndReason.SERVER_SHUTDOWN,
    "the server is shutting down for maintenance; start a new session",
)
# A drain ends a session that has been silent for so long. Agents often send an answer
# as several turns, one a sentence.
SILENCE_S = 0.5
_SILENCE_POLL_S = 0.1  # there is no event for the end of a silence

# Joins the session's room; raises `GatewayError` and leaves nothing open if it cannot.
OpenSession = Callable[[SessionRecord], Awaitable[LiveSession]]
# Leaves the room. It has deadlines of its own for everything that LiveKit must answer.
CloseSession = Callable[[SessionRecord], Awaitable[None]]


class SessionRegistry:
    """
    Sessions of one process, and the slots and room identities that they hold.

    A slot is taken before a session joins its room and freed when the session has
    ended, whatever LiveKit does: the room is left after that, within `LEAVE_S`. There
    is no queue for slots: without a free one a start is refused. ``group`` is the
    server's own task group: its sessions end with it.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        recorder: HistoryRecorder,
        *,
        open_session: OpenSession,
        close_session: CloseSession,
        admission: Admission,
        metrics: Metrics,
    ) -> None:
        self._group = group
        self._recorder = recorder
        self._open = open_session
        self._close = close_session
        self._admission = admission
        self._draining = False
        self._metrics = metrics
        self._records: dict[str, SessionRecord] = {}
        self._unstarted = UnstartedSessions()
        self._identities = RoomIdentities()
        self._joins = JoinLimiter(metrics)
        self._slots: list[SessionRecord] = []  # sessions that hold a slot
        self._leaving: set[SessionRecord] = set()  # ended ones that leave their rooms
        self._empty = asyncio.Event()
        self._empty.set()
        metrics.slots_free.set_function(lambda: self.slots_free)
        metrics.capacity_sessions.set_function(lambda: admission.sessions)
        metrics.backgrounds.set_function(
            lambda: len(backgrounds.other_backgrounds(self._running))
        )

    async def create(self, config: SessionConfig, owner: SessionOwner) -> SessionRecord:
        """Keep a new session until it is started; see `UnstartedSessions`."""
        if dropped := self._unstarted.make_room(owner.key_id):
            self._forget(dropped)
        record = SessionRecord(str(uuid.uuid4()), config, owner)
        await self._recorder.create(record.history_row())
        self._records[record.id] = record
        self._unstarted.add(record)
        return record

    async def start(
        self, session_id: str, *, max_wait_s: float = MAX_WAIT_S
    ) -> tuple[SessionRecord, int] | None:
        """
        Join the session's room, and return the session and the number of this start.

        While many sessions join, it waits for its turn for at most ``max_wait_s``.
        A second start returns the running session. Returns None for a session that is
        not in this registry, or was stopped meanwhile; raises `GatewayError` if the
        session cannot be started.
        """
        record = self._records.get(session_id)
        if record is None:
            return None
        record.start_count = start = record.start_count + 1
        async with record.start_lock:
            if record.live is None:
                if record.ended.is_set():  # an earlier start has failed meanwhile
                    return None
                self._take_slot(record)
                await self._join(record, max_wait_s)
                if record.live is None:  # stopped meanwhile
                    self._check_not_draining()
                    return None
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
        claim = config.identity_claim
        holder = self._identities.holder(claim)
        if holder and holder.active and holder.owner.key_id != owner.key_id:
            raise Refused(
                409, "the avatar of another API key is in that room with this identity"
            )
        for record in self._slots:
            if (
                record.config.identity_claim == claim
                and record.owner.key_id == owner.key_id
                and not record.ending
                and record.config.has_same_agent(config)
            ):
                return record
        return None

    async def _join_in_background(self, record: SessionRecord) -> None:
        try:
            await self._join(record, MAX_BACKGROUND_WAIT_S)
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

    async def _join(self, record: SessionRecord, max_wait_s: float) -> None:
        """
        Join the room and run the session in the background.

        If the session is stopped meanwhile, its ``live`` stays None.
        """
        enter_session(record.id)  # for the log; the session's own task inherits it
        try:
            async with record.abandoned_by_end():
                await record.room_left.wait()  # by an earlier start that failed
                await self._identities.announce(record)
                async with self._joins.turn(max_wait_s):
                    record.room_left.clear()
                    record.live = await self._open(record)
        finally:
            if record.live is None:
                await self._give_up(record)
        if (live := record.live) is None:
            return
        self._identities.take(record)
        self._unstarted.discard(record)
        if record.requested_end is not None:
            record.end(record.requested_end)
        self._group.create_task(self._run(record, live), name=f"session {record.id}")
        await self._recorder.record_start(record.id, now())

    async def _give_up(self, record: SessionRecord) -> None:
        """Free the slot of a session that did not join; leave what it has opened."""
        self._free_slot(record)
        if record.room_left.is_set():  # there was no join
            self._identities.release(record)
        else:
            self._group.create_task(self._leave(record), name=f"leave {record.id}")
        if record.requested_end is not None:
            await self._record_end(record, record.requested_end)

    async def _run(self, record: SessionRecord, live: LiveSession) -> None:
        log.info(
            "session started, session=%s avatar=%s", record.id, record.config.avatar
        )
        try:
            with self._metrics.sessions.track_inprogress():
                await live.run()
        finally:
            self._free_slot(record)
            try:
                await self._record_end(record, live.session.end_info or SESSION_FAILED)
            finally:
                await self._leave(record)

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
        self._unstarted.discard(record)
        record.ended.set()

    async def _leave(self, record: SessionRecord) -> None:
        """Leave the room within `LEAVE_S`, then free the identity."""
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._close(record)
        except Exception as error:  # boundary: a room that cannot be left
            cause = str(error) or type(error).__name__
            log.warning("room not left, session=%s: %s", record.id, cause)
        finally:
            self._identities.release(record)
            self._leaving.discard(record)
            record.room_left.set()
            self._check_empty()

    # Slots and identities.

    def _take_slot(self, record: SessionRecord) -> None:
        self.check_free_slots([record.config], record.owner)
        self._slots.append(record)
        self._empty.clear()

    def _free_slot(self, record: SessionRecord) -> None:
        self._slots.remove(record)
        if not record.room_left.is_set():
            self._leaving.add(record)
        self._check_empty()

    def _check_empty(self) -> None:
        if not self._slots and not self._leaving:
            self._empty.set()

    def check_free_slots(
        self, configs: Sequence[SessionConfig], owner: SessionOwner
    ) -> None:
        """Raise `Refused` unless all ``configs`` could start now beside those here."""
        self._check_not_draining()
        *earlier, newest = configs
        beside = [*self._running, *earlier]
        text = self._admission.refusal(beside, newest)
        text = text or backgrounds.refusal(beside, newest)
        of_owner = sum(record.owner.key_id == owner.key_id for record in self._slots)
        if text is None and owner.max_sessions and of_owner >= owner.max_sessions:
            text = (
                f"this API key may have {owner.max_sessions} sessions at once; "
                "stop one of them or try again later"
            )
        if text is not None:
            raise Refused(429, text, retry_s=RETRY_S)

    def _check_not_draining(self) -> None:
        if self._draining:
            raise shutting_down()

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

    async def end_silent(self) -> None:
        """Start no more sessions; end each one once it is silent; wait for all."""
        self._draining = True
        while self._slots:
            for record in self._slots:
                if record.live is None or record.live.session.silent_s >= SILENCE_S:
                    record.end(SHUT_DOWN)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SILENCE_POLL_S):
                    await self._empty.wait()

    async def drain(self, grace_s: float, end_info: EndInfo = SHUT_DOWN) -> None:
        """End every session, start no more, and wait until all rooms are left."""
        self._draining = True
        for record in self._slots:
            record.end(end_info)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._empty.wait()

    # Queries.

    @property
    def slots_taken(self) -> int:
        return len(self._slots)

    @property
    def slots_free(self) -> int:
        """Sessions that could start now; of the measured size, if there is one."""
        return 0 if self._draining else self._admission.free(self._running)

    @property
    def capacity(self) -> int:
        """Sessions that may run at once; of the measured size, if there is one."""
        return self._admission.sessions

    @property
    def fault(self) -> str | None:
        """Reason why those that run leave no slot; None if a session can start."""
        return self._admission.refusal(self._running)

    @property
    def _running(self) -> list[SessionConfig]:
        return [record.config for record in self._slots]

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


def shutting_down() -> Refused:
    """Return the error for callers who want a session while the server ends."""
    text = "the server is shutting down; try again in a few seconds"
    return Refused(503, text, retry_s=RETRY_S)
