"""Every session of the process: minted, started, stopped, remembered."""

import asyncio
import contextlib
import datetime
import hmac
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from lite_gateway.errors import GatewayError, Refused
from lite_gateway.metrics import Metrics
from lite_gateway.sessions.assembly import LiveSession
from lite_gateway.sessions.lite_input import LiteInput
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.sessions.request import IdentityClaim, SessionConfig, SessionOwner
from lite_gateway.store.models import SessionRow, now
from protocol.lite.messages import EndReason

log = logging.getLogger(__name__)

UNSTARTED_MAX = 10_000
SANDBOX_S = 60.0
LEFT_S = 5.0  # for an avatar to leave a room that another waits to join
STOPPED_S = 2.0  # a stop is answered when it can be read back, or after this
RETRY_S = 5.0
SHUT_DOWN = "the server is shutting down"


@dataclass(slots=True, eq=False)
class SessionRecord:
    """A session as the control plane sees it."""

    id: str
    config: SessionConfig
    owner: SessionOwner
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    created_at: datetime.datetime = field(default_factory=now)
    live: LiveSession | None = None
    start_count: int = 0  # how often it was asked to start
    start_lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    stop_requested: tuple[EndReason, str] | None = None  # while it was starting
    room_left: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def active(self) -> bool:
        return self.live is not None and self.live.session.end_info is None

    @property
    def unstarted(self) -> bool:
        """To be started: not yet, or not yet with success."""
        return self.live is None and not self.start_lock.locked()

    def row(self) -> SessionRow:
        return SessionRow(
            id=self.id,
            key_id=self.owner.key_id,
            avatar=self.config.avatar,
            source="EMBED" if self.owner.embed_id else "API",
            sandbox=self.config.sandbox,
            own_room=self.config.external_room is not None,
            embed_id=self.owner.embed_id,
            context_id=self.config.context_id,
            created_at=self.created_at,
        )


def _can_preempt(holder: SessionRecord, to: SessionRecord) -> bool:
    """Whether a session lets another one have its identity."""
    if holder.config.data_stream and to.config.data_stream:
        # The same API key's, see `launch`: the agent's next life, or a new agent's.
        return True
    live = holder.live
    return live is not None and (
        not live.speech.connected or live.session.end_info is not None
    )


Open = Callable[[SessionRecord], Awaitable[LiveSession]]  # joins the room, or raises
Close = Callable[[SessionRecord], Awaitable[None]]  # leaves it


class SessionRegistry:
    """``group`` is the server's own: a session dies with it."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        recorder: HistoryRecorder,
        *,
        open_session: Open,
        close_session: Close,
        max_sessions: int,
        metrics: Metrics,
    ) -> None:
        self._group = group
        self._recorder = recorder
        self._open = open_session
        self._close = close_session
        self._max_sessions = max_sessions
        self._metrics = metrics
        self._records: dict[str, SessionRecord] = {}
        self._claims: dict[IdentityClaim, SessionRecord] = {}
        self._slots: list[SessionRecord] = []  # taken, by whom
        self._empty = asyncio.Event()
        self._empty.set()

    async def create(self, order: SessionConfig, owner: SessionOwner) -> SessionRecord:
        """Remember an order until it is started. The oldest unstarted one gives way."""
        unstarted = [e for e in self._records.values() if e.unstarted]
        if len(unstarted) >= UNSTARTED_MAX:
            del self._records[unstarted[0].id]
        record = SessionRecord(str(uuid.uuid4()), order, owner)
        await self._recorder.create(record.row())
        self._records[record.id] = record
        return record

    async def start(self, session_id: str) -> tuple[SessionRecord, int] | None:
        """
        Open the session; a second start finds it open, and is told that it is the
        second. None: not minted here.
        """
        record = self._records.get(session_id)
        if record is None:
            return None
        record.start_count = start = record.start_count + 1
        async with record.start_lock:
            if record.live is not None and (end_info := record.live.session.end_info):
                raise Refused(
                    409, f"this session has ended ({end_info.text}); mint a new one"
                )
            if record.live is None:
                await self._start(record)
        return record, start

    async def start_in_background(
        self, order: SessionConfig, owner: SessionOwner
    ) -> SessionRecord:
        """
        Mint an order and start it in the background.

        Whoever asks again for the same avatar in the same room finds it there; an
        avatar of another agent, or one that is leaving, gives way.
        """
        if again := self._running_in_room(order, owner):
            return again
        record = SessionRecord(str(uuid.uuid4()), order, owner)
        self._take_slot(record)
        self._records[record.id] = record
        await record.start_lock.acquire()
        try:
            await self._recorder.create(record.row())
        except BaseException:
            del self._records[record.id]
            self._free_slot(record)
            raise
        self._group.create_task(self._join_in_background(record), name="launch")
        return record

    def _running_in_room(
        self, order: SessionConfig, owner: SessionOwner
    ) -> SessionRecord | None:
        """The session that such an order has got already, while it goes on."""
        for record in self._slots:
            if (
                record.config.external_room is None
                or record.config.identity_claim != order.identity_claim
            ):
                continue
            if record.owner.key_id != owner.key_id:
                raise Refused(
                    409,
                    "the avatar of another API key is in that room with this identity",
                )
            going = record.live is None or record.active
            if (
                going
                and record.stop_requested is None
                and record.config.same_agent(order)
            ):
                return record
        return None

    async def _join_in_background(self, record: SessionRecord) -> None:
        try:
            await self._join(record)
        except Exception as failed:  # boundary: nobody waits for this session's start
            if not isinstance(failed, GatewayError):
                log.exception("session failed to start, session=%s", record.id)
            log.warning("session not started, session=%s: %s", record.id, failed)
            reason = EndReason.SERVER_ERROR
            self._metrics.sessions_ended.labels(reason.value).inc()
            await self._recorder.record_end(record.id, now(), reason.value, str(failed))
            self._records.pop(record.id, None)
            record.ended.set()
        finally:
            record.start_lock.release()

    async def _start(self, record: SessionRecord) -> None:
        self._take_slot(record)
        await self._join(record)

    def _take_slot(self, record: SessionRecord) -> None:
        self._check_free_slot(record)
        self._slots.append(record)
        self._empty.clear()

    def _free_slot(self, record: SessionRecord) -> None:
        self._slots.remove(record)
        record.room_left.set()
        if not self._slots:
            self._empty.set()

    async def _join(self, record: SessionRecord) -> None:
        try:
            await self._claim_identity(record)
            record.live = await self._open(record)
        except BaseException:
            await self._release(record)
            raise
        if record.stop_requested is not None:
            record.live.session.end(*record.stop_requested)
        elif not self._max_sessions:
            record.live.session.end(EndReason.SERVER_ERROR, SHUT_DOWN)
        run = self._run(record, record.live)
        self._group.create_task(run, name=f"session {record.id}")
        await self._recorder.record_start(record.id, now())

    def _check_free_slot(self, record: SessionRecord) -> None:
        if not self._max_sessions:
            text = f"{SHUT_DOWN}; try another one"
        elif len(self._slots) >= self._max_sessions:
            text = (
                f"all {self._max_sessions} places are taken; "
                "stop a session or try again"
            )
        elif (
            record.owner.max_sessions
            and self._slots_of(record.owner) >= record.owner.max_sessions
        ):
            text = (
                f"this API key may have {record.owner.max_sessions} sessions at once; "
                "stop one of them or try again"
            )
        else:
            return
        raise Refused(429, text, retry_s=RETRY_S)

    def _slots_of(self, owner: SessionOwner) -> int:
        return sum(held.owner.key_id == owner.key_id for held in self._slots)

    async def _claim_identity(self, record: SessionRecord) -> None:
        """A session that nobody drives any more gives way, another one does not."""
        identity_claim = record.config.identity_claim
        if identity_claim is None:
            return
        while holder := self._claims.get(identity_claim):
            if not _can_preempt(holder, record):
                raise Refused(
                    409,
                    f"session {holder.id} is in that room as {identity_claim[2]!r}; "
                    "stop it, or bring a token with another identity",
                )
            text = "its client is gone, and another session took its identity"
            if holder.live is None:
                holder.stop_requested = (EndReason.USER_DISCONNECTED, text)
            else:
                holder.live.session.end(EndReason.USER_DISCONNECTED, text)
            try:
                async with asyncio.timeout(LEFT_S):
                    await holder.room_left.wait()
            except TimeoutError:
                raise Refused(
                    409, f"session {holder.id} is still leaving that room; try again"
                ) from None
        self._claims[identity_claim] = record

    async def _release(self, record: SessionRecord) -> None:
        """Out of the room; place and identity_claim are free."""
        try:
            await self._close(record)
        finally:
            identity_claim = record.config.identity_claim
            if (
                identity_claim is not None
                and self._claims.get(identity_claim) is record
            ):
                del self._claims[identity_claim]
            self._free_slot(record)

    async def _run(self, record: SessionRecord, live: LiveSession) -> None:
        log.info(
            "session started, session=%s avatar=%s", record.id, record.config.avatar
        )
        with self._metrics.sessions.track_inprogress():
            try:
                await live.run()
            finally:
                try:
                    await self._record_end(record, live)
                finally:
                    await self._release(record)

    async def _record_end(self, record: SessionRecord, live: LiveSession) -> None:
        end_info = live.session.end_info
        assert end_info is not None
        reason, text = end_info.reason.value, end_info.text
        self._metrics.sessions_ended.labels(reason).inc()
        log.info("session ended, session=%s reason=%s", record.id, reason)
        try:
            await self._recorder.record_end(record.id, now(), reason, text)
        finally:
            self._records.pop(record.id, None)
            record.ended.set()

    async def stop(self, session_id: str, reason: EndReason) -> None:
        """End a session; one that is over already, or was never here, is fine."""
        record = self._records.get(session_id)
        if record is None:
            return
        text = f"stopped by a call ({reason.value})"
        if record.unstarted:
            del self._records[session_id]
            await self._recorder.record_end(session_id, now(), reason.value, text)
        elif record.live is None:
            record.stop_requested = (reason, text)
        else:
            record.live.session.end(reason, text)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOPPED_S):
                    await record.ended.wait()

    async def drain(self, grace_s: float) -> None:
        """End every session, take no more, and wait until all rooms are left."""
        self._max_sessions = 0
        for record in self._records.values():
            if record.live is not None:
                record.live.session.end(EndReason.SERVER_ERROR, SHUT_DOWN)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._empty.wait()

    @property
    def slots_taken(self) -> int:
        """Places in use."""
        return len(self._slots)

    def get(self, session_id: str) -> SessionRecord | None:
        """Minted and not over."""
        return self._records.get(session_id)

    def lite_input(self, session_id: str, secret: str) -> LiteInput | None:
        """Return the LITE input that a ``ws_url`` names, if its secret is right."""
        record = self._records.get(session_id)
        if record is None or not record.active:
            return None
        assert record.live is not None
        right = hmac.compare_digest(secret.encode(), record.secret.encode())
        speech = record.live.speech
        return speech if right and isinstance(speech, LiteInput) else None
