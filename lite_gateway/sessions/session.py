"""
One avatar in one room: the protocol machine, its playout and whoever is connected.

The session outlives its sockets: a client that vanished may reconnect and finds its
turns as they are, with the events that it missed.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import NamedTuple

from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.sessions.connection import (
    NORMAL,
    REPLACED,
    ClientConnection,
    WebSocketTransport,
)
from protocol.errors import ProtocolError, TooMuchAudio
from protocol.lite.codec import command_type, decode, encode
from protocol.lite.machine import Effect, Machine, Pose, Send
from protocol.lite.messages import (
    ClientMessage,
    EndReason,
    Error,
    ErrorKind,
    ServerEvent,
    SessionState,
    Speak,
    SpeakEnd,
    Warned,
)
from protocol.turns import Append, Flush, Seal

log = logging.getLogger(__name__)

MISSED_MAX = 256  # events kept for a client that is away
FORSAKEN_S = 10.0  # clients that lost their socket are back sooner
ERRORS_AT_ONCE, ERRORS_A_SECOND = 20, 5  # told to one client; the rest is counted


@dataclass(frozen=True, slots=True)
class Limits:
    idle_s: float = 300.0
    max_duration_s: float = 7200.0
    buffered_s: float = 600.0
    user_gone_s: float = 60.0


@dataclass(frozen=True, slots=True)
class EndInfo:
    reason: EndReason
    text: str


class _Deadline(NamedTuple):
    """Something that may end a session: since when it runs, how long, and why then."""

    since_s: float
    most_s: float
    reason: EndReason
    text: str


class Session:
    """
    ``playout`` is made by the caller's factory, which is given this session.

    ``beside`` runs as long as the session: another way in for speech than a socket.
    """

    def __init__(
        self,
        session_id: str,
        playout: Callable[["Session"], Playout],
        metrics: Metrics,
        *,
        now: Callable[[], float],
        limits: Limits = Limits(),
        beside: Callable[[], Coroutine[None, None, None]] | None = None,
    ) -> None:
        self.id = session_id
        self._machine = Machine()
        self._playout = playout(self)
        self._metrics = metrics
        self._now = now
        self._limits = limits
        self._beside = beside
        self._born_s = self._touched_s = now()
        self._line: ClientConnection | None = None
        self._alone_s = now()  # since when no client is connected, if none is
        self._deserted_s: float | None = None  # since when all users are gone
        self._attended = False
        self._news = asyncio.Event()  # limits are to be looked at again
        self._missed: deque[str] = deque(maxlen=MISSED_MAX)
        self._ending: EndInfo | None = None
        self._ended = asyncio.Event()
        self._errors_left, self._errors_s = float(ERRORS_AT_ONCE), now()

    async def run(self) -> EndInfo:
        """Play until something ends the session, say goodbye, and tell what it was."""
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(self._playout.run(), name="playout"),
                    group.create_task(self._watch_limits(), name="limits"),
                ]
                if self._beside is not None:
                    beside = group.create_task(self._beside(), name="beside")
                    helpers.append(beside)
                await self._ended.wait()
                for helper in helpers:
                    helper.cancel()
        except* Exception as failed:  # boundary: the end of a session
            log.exception("session failed, session=%s", self.id, exc_info=failed)
            self.end(EndReason.SERVER_ERROR, "the server failed; start a new session")
        finally:
            self.end(EndReason.SERVER_ERROR, "the server is shutting down")
            self._say_goodbye()
        assert self._ending is not None
        return self._ending

    @property
    def ending(self) -> EndInfo | None:
        """Why the session is ending or has ended; None while it goes on."""
        return self._ending

    def end(self, reason: EndReason, text: str) -> None:
        """End the session; the first reason stands."""
        if self._ending is None:
            self._ending = EndInfo(reason, text)
            self._ended.set()

    def warn(self, kind: str, text: str) -> None:
        """Tell the client something that it should know and need not act on."""
        self._send(Warned(kind, text))

    def touch(self) -> None:
        """Somebody cares about this session: the idle time starts again."""
        self._touched_s = self._now()

    def users(self, count: int) -> None:
        """How many are in the room to see the avatar."""
        if count:
            self._attended, self._deserted_s = True, None
        elif self._attended and self._deserted_s is None:
            self._deserted_s = self._now()
        self._news.set()

    @property
    def forsaken(self) -> bool:
        """No client is connected, and none has been for a while."""
        if self._line is not None or self._beside is not None:
            return False
        return self._now() - self._alone_s >= FORSAKEN_S

    # The wire.

    async def serve(self, wire: WebSocketTransport) -> None:
        """Talk to one client until it leaves, is replaced, or the session ends."""
        line = ClientConnection(wire)
        if self._line is not None:
            text = "another socket opened this session; this one is closed"
            self._line.send(encode(Error(ErrorKind.INVALID_REQUEST, text)))
            self._line.close(REPLACED, text)
            self._metrics.ws_refused.labels("replaced").inc()
        self._line = line
        self._send(SessionState("connected"))
        while self._missed:
            line.send(self._missed.popleft())
        if self._ending is not None:
            self._say_goodbye()
        try:
            await line.run(self._receive)
        finally:
            if self._line is line:
                self._line = None
                self._alone_s = self._now()

    def _receive(self, wire: str | bytes) -> None:
        self.touch()
        try:
            message = decode(wire)
            self._metrics.ws_messages.labels(command_type(message)).inc()
            self._check_room_for(message)
        except ProtocolError as wrong:
            self._refuse(wrong)
        else:
            self._perform(self._machine.receive(message))

    def _check_room_for(self, message: ClientMessage) -> None:
        if not isinstance(message, Speak | SpeakEnd) or not message.audio:
            return
        most_s = self._limits.buffered_s
        if self._playout.buffered_s >= most_s:
            raise TooMuchAudio(
                f"{most_s:.0f} s of audio are waiting to be spoken: this message was "
                "dropped; send no further ahead than that",
                message.event_id,
            )

    def _refuse(self, wrong: ProtocolError) -> None:
        """Answer with an error, but not each message of a flood."""
        self._metrics.ws_refused.labels(type(wrong).__name__).inc()
        now_s = self._now()
        refill = (now_s - self._errors_s) * ERRORS_A_SECOND
        self._errors_left = min(ERRORS_AT_ONCE, self._errors_left + refill)
        self._errors_s = now_s
        if self._errors_left >= 1:
            self._errors_left -= 1
            kind = ErrorKind.INVALID_REQUEST
            self._send(Error(kind, str(wrong), wrong.event_id))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Append(turn, pcm, emotion):
                    self._playout.append(turn, pcm, emotion)
                case Seal(turn):
                    self._playout.seal(turn)
                case Flush(turn):
                    played_s = self._playout.flush(turn)
                    self._perform(self._machine.flushed(effect, played_s))
                case Pose(name, emotion):
                    self._playout.pose, self._playout.emotion = name, emotion
                case Send(event):
                    self._send(event)

    def _send(self, event: ServerEvent) -> None:
        text = encode(event)
        if self._line is None:
            self._missed.append(text)
        else:
            self._line.send(text)

    # News of the playout.

    def started(self, turn: int) -> None:
        self._perform(self._machine.started(turn))

    def finished(self, turn: int) -> None:
        self.touch()
        self._perform(self._machine.finished(turn))

    def starved(self, turn: int) -> None:
        self._perform(self._machine.underrun(turn))

    def expired(self, turn: int) -> None:
        self._perform(self._machine.expired(turn))

    # The end.

    async def _watch_limits(self) -> None:
        while True:
            if self._playout.buffered_s:
                self.touch()
            now_s = self._now()
            waits = []
            for clock in self._clocks():
                left_s = clock.since_s + clock.most_s - now_s
                if left_s <= 0:
                    self.end(clock.reason, clock.text)
                    return
                waits.append(left_s)
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(waits)):
                    await self._news.wait()

    def _clocks(self) -> list[_Deadline]:
        limits = self._limits
        clocks = [
            _Deadline(
                self._born_s,
                limits.max_duration_s,
                EndReason.MAX_DURATION_REACHED,
                f"the session's {limits.max_duration_s:.0f} s are over",
            ),
            _Deadline(
                self._touched_s,
                limits.idle_s,
                EndReason.IDLE_TIMEOUT,
                f"no command for {limits.idle_s:.0f} s; "
                "session.keep_alive would have kept the session",
            ),
        ]
        if self._deserted_s is not None and limits.user_gone_s:
            text = f"all users left the room {limits.user_gone_s:.0f} s ago"
            reason = EndReason.USER_DISCONNECTED
            gone = _Deadline(self._deserted_s, limits.user_gone_s, reason, text)
            clocks.append(gone)
        return clocks

    def _say_goodbye(self) -> None:
        assert self._ending is not None
        reason, text = self._ending.reason, self._ending.text
        played_s = self._playout.flush(self._machine.turn, "stopped")
        self._perform(self._machine.stopped(reason, text, played_s))
        if self._line is not None:
            self._line.close(NORMAL, f"{reason.value}: {text}"[:120])
