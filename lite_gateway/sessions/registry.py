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
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.sessions.request import IdentityClaim, SessionConfig, SessionOwner
from lite_gateway.sessions.session import Session
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
    order: SessionConfig
    owner: SessionOwner
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    created: datetime.datetime = field(default_factory=now)
    session: Session | None = None
    starts: int = 0  # how often it was asked to start
    starting: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    stopped: tuple[EndReason, str] | None = None  # while it was starting
    left: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def active(self) -> bool:
        return self.session is not None and self.session.ending is None

    @property
    def waits(self) -> bool:
        """To be started: not yet, or not yet with success."""
        return self.session is None and not self.starting.locked()

    def past(self) -> SessionRow:
        return SessionRow(
            id=self.id,
            key_id=self.owner.key_id,
            avatar=self.order.avatar,
            source="EMBED" if self.owner.embed_id else "API",
            sandbox=self.order.sandbox,
            own_room=self.order.own_room is not None,
            embed_id=self.owner.embed_id,
            context_id=self.order.context_id,
            created_at=self.created,
        )


def _gives_way(holder: SessionRecord, to: SessionRecord) -> bool:
    """Whether a session lets another one have its identity."""
    if holder.order.stream and to.order.stream:
        # The same API key's, see `launch`: the agent's next life, or a new agent's.
        return True
    session = holder.session
    return session is not None and bool(session.forsaken or session.ending)


Open = Callable[[SessionRecord], Awaitable[Session]]  # joins the room, or raises
Close = Callable[[SessionRecord], Awaitable[None]]  # leaves it


class SessionRegistry:
    """``group`` is the server's own: a session dies with it."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        ledger: HistoryRecorder,
        *,
        opened: Open,
        closed: Close,
        most: int,
        metrics: Metrics,
    ) -> None:
        self._group = group
        self._ledger = ledger
        self._open = opened
        self._close = closed
        self._most = most
        self._metrics = metrics
        self._entries: dict[str, SessionRecord] = {}
        self._seats: dict[IdentityClaim, SessionRecord] = {}
        self._places: list[SessionRecord] = []  # taken, by whom
        self._empty = asyncio.Event()
        self._empty.set()

    async def mint(self, order: SessionConfig, owner: SessionOwner) -> SessionRecord:
        """Remember an order until it is started. The oldest unstarted one gives way."""
        unstarted = [e for e in self._entries.values() if e.waits]
        if len(unstarted) >= UNSTARTED_MAX:
            del self._entries[unstarted[0].id]
        entry = SessionRecord(str(uuid.uuid4()), order, owner)
        await self._ledger.mint(entry.past())
        self._entries[entry.id] = entry
        return entry

    async def start(self, session_id: str) -> tuple[SessionRecord, int] | None:
        """
        Open the session; a second start finds it open, and is told that it is the
        second. None: not minted here.
        """
        entry = self._entries.get(session_id)
        if entry is None:
            return None
        entry.starts = start = entry.starts + 1
        async with entry.starting:
            if entry.session is not None and (over := entry.session.ending):
                raise Refused(
                    409, f"this session has ended ({over.text}); mint a new one"
                )
            if entry.session is None:
                await self._begin(entry)
        return entry, start

    async def launch(self, order: SessionConfig, owner: SessionOwner) -> SessionRecord:
        """
        Mint an order and start it in the background.

        Whoever asks again for the same avatar in the same room finds it there; an
        avatar of another agent, or one that is leaving, gives way.
        """
        if again := self._launched(order, owner):
            return again
        entry = SessionRecord(str(uuid.uuid4()), order, owner)
        self._take_place(entry)
        self._entries[entry.id] = entry
        await entry.starting.acquire()
        try:
            await self._ledger.mint(entry.past())
        except BaseException:
            del self._entries[entry.id]
            self._free_place(entry)
            raise
        self._group.create_task(self._start_launched(entry), name="launch")
        return entry

    def _launched(
        self, order: SessionConfig, owner: SessionOwner
    ) -> SessionRecord | None:
        """The session that such an order has got already, while it goes on."""
        for entry in self._places:
            if entry.order.own_room is None or entry.order.seat != order.seat:
                continue
            if entry.owner.key_id != owner.key_id:
                raise Refused(
                    409,
                    "the avatar of another API key is in that room with this identity",
                )
            going = entry.session is None or entry.active
            if going and entry.stopped is None and entry.order.same_agent(order):
                return entry
        return None

    async def _start_launched(self, entry: SessionRecord) -> None:
        try:
            await self._join(entry)
        except Exception as failed:  # boundary: nobody waits for this session's start
            if not isinstance(failed, GatewayError):
                log.exception("session failed to start, session=%s", entry.id)
            log.warning("session not started, session=%s: %s", entry.id, failed)
            reason = EndReason.SERVER_ERROR
            self._metrics.sessions_ended.labels(reason.value).inc()
            await self._ledger.ended(entry.id, now(), reason.value, str(failed))
            self._entries.pop(entry.id, None)
            entry.over.set()
        finally:
            entry.starting.release()

    async def _begin(self, entry: SessionRecord) -> None:
        self._take_place(entry)
        await self._join(entry)

    def _take_place(self, entry: SessionRecord) -> None:
        self._check_place_for(entry)
        self._places.append(entry)
        self._empty.clear()

    def _free_place(self, entry: SessionRecord) -> None:
        self._places.remove(entry)
        entry.left.set()
        if not self._places:
            self._empty.set()

    async def _join(self, entry: SessionRecord) -> None:
        try:
            await self._take_seat(entry)
            entry.session = await self._open(entry)
        except BaseException:
            await self._leave(entry)
            raise
        if entry.stopped is not None:
            entry.session.end(*entry.stopped)
        elif not self._most:
            entry.session.end(EndReason.SERVER_ERROR, SHUT_DOWN)
        live = self._live(entry, entry.session)
        self._group.create_task(live, name=f"session {entry.id}")
        await self._ledger.started(entry.id, now())

    def _check_place_for(self, entry: SessionRecord) -> None:
        if not self._most:
            text = f"{SHUT_DOWN}; try another one"
        elif len(self._places) >= self._most:
            text = f"all {self._most} places are taken; stop a session or try again"
        elif entry.owner.most and self._held_by(entry.owner) >= entry.owner.most:
            text = (
                f"this API key may have {entry.owner.most} sessions at once; "
                "stop one of them or try again"
            )
        else:
            return
        raise Refused(429, text, retry_s=RETRY_S)

    def _held_by(self, owner: SessionOwner) -> int:
        return sum(held.owner.key_id == owner.key_id for held in self._places)

    async def _take_seat(self, entry: SessionRecord) -> None:
        """A session that nobody drives any more gives way, another one does not."""
        seat = entry.order.seat
        if seat is None:
            return
        while holder := self._seats.get(seat):
            if not _gives_way(holder, entry):
                raise Refused(
                    409,
                    f"session {holder.id} is in that room as {seat[2]!r}; stop it, "
                    "or bring a token with another identity",
                )
            text = "its client is gone, and another session took its identity"
            if holder.session is None:
                holder.stopped = (EndReason.USER_DISCONNECTED, text)
            else:
                holder.session.end(EndReason.USER_DISCONNECTED, text)
            try:
                async with asyncio.timeout(LEFT_S):
                    await holder.left.wait()
            except TimeoutError:
                raise Refused(
                    409, f"session {holder.id} is still leaving that room; try again"
                ) from None
        self._seats[seat] = entry

    async def _leave(self, entry: SessionRecord) -> None:
        """Out of the room; place and seat are free."""
        try:
            await self._close(entry)
        finally:
            seat = entry.order.seat
            if seat is not None and self._seats.get(seat) is entry:
                del self._seats[seat]
            self._free_place(entry)

    async def _live(self, entry: SessionRecord, session: Session) -> None:
        log.info("session started, session=%s avatar=%s", entry.id, entry.order.avatar)
        with self._metrics.sessions.track_inprogress():
            try:
                await session.run()
            finally:
                try:
                    await self._write_end(entry, session)
                finally:
                    await self._leave(entry)

    async def _write_end(self, entry: SessionRecord, session: Session) -> None:
        assert session.ending is not None
        reason, text = session.ending.reason.value, session.ending.text
        self._metrics.sessions_ended.labels(reason).inc()
        log.info("session ended, session=%s reason=%s", entry.id, reason)
        try:
            await self._ledger.ended(entry.id, now(), reason, text)
        finally:
            self._entries.pop(entry.id, None)
            entry.over.set()

    async def stop(self, session_id: str, reason: EndReason) -> None:
        """End a session; one that is over already, or was never here, is fine."""
        entry = self._entries.get(session_id)
        if entry is None:
            return
        text = f"stopped by a call ({reason.value})"
        if entry.waits:
            del self._entries[session_id]
            await self._ledger.ended(session_id, now(), reason.value, text)
        elif entry.session is None:
            entry.stopped = (reason, text)
        else:
            entry.session.end(reason, text)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOPPED_S):
                    await entry.over.wait()

    async def drain(self, grace_s: float) -> None:
        """End every session, take no more, and wait until all rooms are left."""
        self._most = 0
        for entry in self._entries.values():
            if entry.session is not None:
                entry.session.end(EndReason.SERVER_ERROR, SHUT_DOWN)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._empty.wait()

    @property
    def taken(self) -> int:
        """Places in use."""
        return len(self._places)

    def get(self, session_id: str) -> SessionRecord | None:
        """Minted and not over."""
        return self._entries.get(session_id)

    def open_session(self, session_id: str, secret: str) -> Session | None:
        """The running session that a ``ws_url`` names, if its secret is right."""
        entry = self._entries.get(session_id)
        if entry is None or not entry.active:
            return None
        right = hmac.compare_digest(secret.encode(), entry.secret.encode())
        return entry.session if right else None
