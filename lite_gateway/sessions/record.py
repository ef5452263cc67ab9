"""Record of one session in the registry, from its creation to its end."""

import asyncio
import contextlib
import datetime
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from lite_gateway.sessions.assembly import LiveSession
from lite_gateway.sessions.session import EndInfo
from lite_gateway.sessions.session_config import SessionConfig, SessionOwner
from lite_gateway.store.models import SessionRow, now


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True, eq=False)
class SessionRecord:
    """
    Session in the registry, with its state.

    It is unstarted until its `start_lock` is taken, joining while that is held, and
    live from then on. A join that fails makes it unstarted again.
    """

    id: str
    config: SessionConfig
    owner: SessionOwner
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    created_at: datetime.datetime = field(default_factory=now)
    live: LiveSession | None = None
    start_count: int = 0  # calls of start, for tokens with identities of their own
    start_lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    requested_end: EndInfo | None = None  # why to stop, if asked while joining
    # Set while no participant of this session is in the room or on its way there.
    room_left: asyncio.Event = field(default_factory=_set_event, repr=False)
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _join: asyncio.Timeout | None = field(default=None, repr=False)

    @property
    def active(self) -> bool:
        """Return whether the session is live and nothing has ended it."""
        return self.live is not None and self.live.session.end_info is None

    @property
    def ending(self) -> bool:
        """Return whether something has ended the session, live or joining."""
        if self.live is None:
            return self.requested_end is not None
        return self.live.session.end_info is not None

    @property
    def unstarted(self) -> bool:
        """Return whether the session waits for its first successful start."""
        return self.live is None and not self.start_lock.locked()

    def end(self, end_info: EndInfo) -> None:
        """End the session now; a join that is under way is abandoned."""
        if self.live is not None:
            self.live.session.end(end_info.reason, end_info.text)
            return
        self.requested_end = self.requested_end or end_info
        if self._join is not None and not self._join.expired():
            self._join.reschedule(asyncio.get_running_loop().time())

    @contextlib.asynccontextmanager
    async def abandoned_by_end(self) -> AsyncIterator[None]:
        """Cancel the block when the session is ended; then go on after it."""
        try:
            async with asyncio.timeout(None) as self._join:
                yield
        except TimeoutError:
            if self.requested_end is None:
                raise
        finally:
            self._join = None

    def allows_preemption_by(self, other: "SessionRecord") -> bool:
        """
        Return whether ``other`` may take this session's identity in its room.

        A session of another API key never may. Among data streams it may: it is a
        restarted agent or a new one. Otherwise only a session without a client loses
        its identity.
        """
        if self.owner.key_id != other.owner.key_id:
            return False
        if self.config.data_stream and other.config.data_stream:
            return True
        return self.live is not None and not self.live.speech.connected

    def history_row(self) -> SessionRow:
        """Return the history row of a session that was just created."""
        return SessionRow(
            id=self.id,
            key_id=self.owner.key_id,
            avatar=self.config.avatar,
            mode=self.config.mode,
            source="EMBED" if self.owner.embed_id else "API",
            sandbox=self.config.sandbox,
            own_room=self.config.external_room is not None,
            embed_id=self.owner.embed_id,
            context_id=self.config.context_id,
            created_at=self.created_at,
        )
