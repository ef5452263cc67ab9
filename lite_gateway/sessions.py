"""Every session of the process: minted, started, stopped, remembered."""

import asyncio
import contextlib
import datetime
import hmac
import logging
import secrets
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from lite_gateway.quality import Quality
from lite_gateway.session import Ending, Session
from protocol.messages import EndReason

log = logging.getLogger(__name__)

HISTORY_MAX = 1000
UNSTARTED_MAX = 10_000
SANDBOX_S = 60.0


@dataclass(frozen=True, slots=True)
class OwnRoom:
    """A room that the client brought along."""

    url: str
    room: str
    token: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a session was minted with; it cannot change."""

    avatar: str
    quality: Quality
    codec: str
    longest_s: float
    sandbox: bool = False
    own_room: OwnRoom | None = None
    note: str = ""  # told as a warning when the first client connects


@dataclass(slots=True, eq=False)
class Entry:
    """A session as the control plane sees it."""

    id: str
    order: Order
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    created: datetime.datetime = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC)
    )
    began_s: float | None = None
    updated: datetime.datetime | None = None
    session: Session | None = None
    ending: Ending | None = None
    ended_s: float | None = None
    starting: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def active(self) -> bool:
        return self.session is not None and self.session.ending is None

    @property
    def duration_s(self) -> float:
        if self.began_s is None:
            return 0.0
        until_s = time.monotonic() if self.ended_s is None else self.ended_s
        return until_s - self.began_s


Open = Callable[[Entry], Awaitable[Session]]  # joins the room, or raises
Close = Callable[[Entry], Awaitable[None]]  # leaves it


class Sessions:
    """``group`` is the server's own: a session dies with it."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        *,
        opened: Open,
        closed: Close,
        most: int,
        metrics: Metrics,
    ) -> None:
        self._group = group
        self._open = opened
        self._close = closed
        self._most = most
        self._metrics = metrics
        self._entries: dict[str, Entry] = {}
        self._history: deque[Entry] = deque(maxlen=HISTORY_MAX)
        self._places_taken = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def mint(self, order: Order) -> Entry:
        """Remember an order until it is started. The oldest unstarted one gives way."""
        unstarted = [e for e in self._entries.values() if e.began_s is None]
        if len(unstarted) >= UNSTARTED_MAX:
            del self._entries[unstarted[0].id]
        entry = Entry(str(uuid.uuid4()), order)
        self._entries[entry.id] = entry
        return entry

    async def start(self, session_id: str) -> Entry:
        """Open the session; a second start of the same one finds it open."""
        entry = self.get(session_id)
        async with entry.starting:
            if entry.session is not None and (over := entry.session.ending):
                raise Refused(
                    409, f"this session has ended ({over.text}); mint a new one"
                )
            if entry.session is None:
                await self._begin(entry)
        return entry

    async def _begin(self, entry: Entry) -> None:
        if self._places_taken >= self._most:
            raise Refused(
                429,
                f"all {self._most} places are taken; stop a session or try again later"
                if self._most
                else "the server is shutting down; try another one",
            )
        self._take_place(1)
        try:
            session = await self._open(entry)
        except BaseException:
            self._take_place(-1)
            await self._close(entry)
            raise
        entry.session = session
        entry.began_s = time.monotonic()
        entry.updated = datetime.datetime.now(datetime.UTC)
        self._group.create_task(self._live(entry, session), name=f"session {entry.id}")

    def _take_place(self, places: int) -> None:
        self._places_taken += places
        if self._places_taken:
            self._empty.clear()
        else:
            self._empty.set()

    async def _live(self, entry: Entry, session: Session) -> None:
        log.info("session started, session=%s avatar=%s", entry.id, entry.order.avatar)
        self._metrics.sessions.inc()
        try:
            entry.ending = await session.run()
        finally:
            entry.ended_s = time.monotonic()
            entry.updated = datetime.datetime.now(datetime.UTC)
            self._metrics.sessions.dec()
            self._entries.pop(entry.id, None)
            self._history.append(entry)
            await self._close(entry)
            self._take_place(-1)
        reason = entry.ending.reason.value
        self._metrics.sessions_ended.labels(reason).inc()
        log.info("session ended, session=%s reason=%s", entry.id, reason)

    def stop(self, session_id: str, reason: EndReason) -> None:
        """End a session; one that is over already, or was never here, is fine."""
        entry = self._entries.get(session_id)
        if entry is None:
            return
        if entry.session is None:
            del self._entries[session_id]
        else:
            entry.session.end(reason, f"stopped by a call ({reason.value})")

    async def drain(self, text: str, grace_s: float) -> None:
        """End every session, take no more, and wait until all rooms are left."""
        self._most = 0
        for entry in self.listed(active=True):
            assert entry.session is not None
            entry.session.end(EndReason.SERVER_ERROR, text)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._empty.wait()

    def get(self, session_id: str) -> Entry:
        if entry := self._entries.get(session_id):
            return entry
        for entry in self._history:
            if entry.id == session_id:
                return entry
        raise Refused(404, "no such session; mint one with POST /v1/sessions/token")

    def open_session(self, session_id: str, secret: str) -> Session | None:
        """The running session that a ``ws_url`` names, if its secret is right."""
        entry = self._entries.get(session_id)
        if entry is None or not entry.active:
            return None
        right = hmac.compare_digest(secret.encode(), entry.secret.encode())
        return entry.session if right else None

    def listed(self, *, active: bool) -> list[Entry]:
        """Newest first."""
        if active:
            return [e for e in reversed(self._entries.values()) if e.active]
        return list(reversed(self._history))
