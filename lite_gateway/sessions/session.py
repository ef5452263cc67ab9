"""
Life of one session: its limits, the users in its room, and its end.

Speech comes in through a `SpeechInput`: the LITE WebSocket (`lite_input`), LiveKit's
avatar data stream (`lite_gateway.datastream.input`), or calls of the same process
(`lite_gateway.embedded`). A session outlives the connections of its input.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lite_gateway.foreign.text import foreign_text
from lite_gateway.playout.playout import Playout
from lite_gateway.rooms.events import JoinedRoom
from protocol.lite.messages import EndReason

log = logging.getLogger(__name__)


class SpeechInput(Protocol):
    """Source of a session's speech: drives playout, and reports to the sender."""

    @property
    def connected(self) -> bool:
        """
        Return whether a client can still speak.

        Another session may take the room identity of one that is not connected.
        """
        ...

    def on_joined(self, room: JoinedRoom) -> None:
        """Register room handlers; see `RoomEvents.on_joined`."""
        ...

    async def run(self) -> None:
        """Play the speech that arrives, until cancelled."""
        ...

    def stop(self, reason: EndReason, text: str) -> None:
        """Cut all speech, and tell the client why the session ended."""
        ...

    async def aclose(self) -> None:
        """Deliver what clients in the room must still get; the room is left then."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Durations in seconds after which a session ends. None: no such limit."""

    idle_s: float | None = 300.0
    max_duration_s: float | None = 7200.0
    user_gone_s: float | None = 60.0


MAX_END_TEXT = 500  # characters


@dataclass(frozen=True, slots=True)
class EndInfo:
    """
    End of a session: the wire's reason, and a text for people.

    The text is told to clients and kept in the history. It may repeat an error of
    another server, so it is cleaned here, for all its uses.
    """

    reason: EndReason
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", foreign_text(self.text, limit=MAX_END_TEXT))


class _Deadline(NamedTuple):
    """Limit that runs from ``since_s`` and ends the session after ``limit_s``."""

    since_s: float
    limit_s: float | None
    reason: EndReason
    text: str


class Session:
    """One avatar in one room, until `end` or a limit."""

    def __init__(
        self,
        session_id: str,
        playout: Playout,
        *,
        now: Callable[[], float],
        limits: Limits = Limits(),
    ) -> None:
        self.id = session_id
        self._playout = playout
        self._now = now
        self._limits = limits
        self._created_s = self._active_s = now()
        self._had_users = False
        self._users_left_s: float | None = None  # since when the room has no users
        self._limits_changed = asyncio.Event()
        self._end_info: EndInfo | None = None
        self._ended = asyncio.Event()

    async def run(self, speech: SpeechInput) -> EndInfo:
        """Play ``speech`` until something ends the session, and return its end."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(speech.run(), name="speech input"),
                    group.create_task(self._watch_limits(), name="limits"),
                ]
                await self._ended.wait()
                for task in tasks:
                    task.cancel()
        except* Exception as failed:  # boundary: the end of a session
            log.exception("session failed, session=%s", self.id, exc_info=failed)
            self.end(EndReason.SERVER_ERROR, "the server failed; start a new session")
        finally:
            self.end(EndReason.SERVER_SHUTDOWN, "the server is shutting down")
            assert self._end_info is not None
            speech.stop(self._end_info.reason, self._end_info.text)
        return self._end_info

    @property
    def end_info(self) -> EndInfo | None:
        """End of the session, also while it is ending; None while it runs."""
        return self._end_info

    @property
    def silent_s(self) -> float:
        """Seconds since the session last spoke; 0 during a turn."""
        return self._playout.silent_s

    def end(self, reason: EndReason, text: str) -> None:
        """End the session. If called again, the first reason stands."""
        if self._end_info is None:
            self._end_info = EndInfo(reason, text)
            self._ended.set()

    def mark_active(self) -> None:
        """Restart the idle time."""
        self._active_s = self._now()

    def on_users(self, count: int) -> None:
        """Update the number of users in the room."""
        if count:
            self._had_users, self._users_left_s = True, None
        elif self._had_users and self._users_left_s is None:
            self._users_left_s = self._now()
        self._limits_changed.set()

    async def _watch_limits(self) -> None:
        while True:
            if self._playout.buffered_s:
                self.mark_active()
            now_s = self._now()
            waits_s = []
            for deadline in self._deadlines():
                if deadline.limit_s is None:
                    continue
                left_s = deadline.since_s + deadline.limit_s - now_s
                if left_s <= 0:
                    self.end(deadline.reason, deadline.text)
                    return
                waits_s.append(left_s)
            self._limits_changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(waits_s, default=None)):
                    await self._limits_changed.wait()

    def _deadlines(self) -> list[_Deadline]:
        limits = self._limits
        deadlines = [
            _Deadline(
                self._created_s,
                limits.max_duration_s,
                EndReason.MAX_DURATION_REACHED,
                f"the session's {limits.max_duration_s or 0:.0f} s are over",
            ),
            _Deadline(
                self._active_s,
                limits.idle_s,
                EndReason.IDLE_TIMEOUT,
                f"no command for {limits.idle_s or 0:.0f} s; "
                "session.keep_alive would have kept the session",
            ),
        ]
        if self._users_left_s is not None:
            text = f"all users left the room {limits.user_gone_s or 0:.0f} s ago"
            deadlines.append(
                _Deadline(
                    self._users_left_s,
                    limits.user_gone_s,
                    EndReason.USER_DISCONNECTED,
                    text,
                )
            )
        return deadlines
