"""
Speech input over the LITE WebSocket.

A client that lost its connection may connect again: it finds its turns as they are,
and receives the events that it missed.
"""

import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from lite_gateway.metrics import Metrics
from lite_gateway.playout.gaps import Gaps
from lite_gateway.playout.playout import Playout
from lite_gateway.rooms.events import JoinedRoom
from lite_gateway.sessions.connection import (
    NORMAL,
    REPLACED,
    ClientConnection,
    Received,
    Unread,
    WebSocketTransport,
    client_connection,
)
from lite_gateway.sessions.session import EndInfo, Session
from lite_gateway.token_bucket import TokenBucket
from protocol.errors import ProtocolError, TooMuchAudio
from protocol.lite.codec import command_type, decode, encode, too_long
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
    WarningKind,
)
from protocol.turns import Append, Flush, Open, Seal

MAX_MISSED = 512  # events kept for a client that is away; the oldest are dropped
MAX_TURNS = 256  # queued: an interrupt tells each of them over, within MAX_MISSED
MAX_WAITING_PHONES = 20_000  # of all turns: more than 20 minutes of speech
CLIENT_GONE_S = 10.0  # clients that lost their connection are back sooner
MAX_CLOSE_REASON = 120  # characters: a close frame holds 123 bytes of reason
MAX_ERRORS, ERRORS_PER_S = 20, 5  # sent to one client; further errors are counted only


class LiteInput:
    """LITE WebSocket of a session: protocol machine, connection and missed events."""

    def __init__(
        self,
        playout: Playout,
        session: Session,
        metrics: Metrics,
        *,
        now: Callable[[], float],
        max_buffered_s: float = 600.0,
    ) -> None:
        self._machine = Machine()
        self._playout = playout
        self._session = session
        self._metrics = metrics
        self._now = now
        self._max_buffered_s = max_buffered_s
        self._connection: ClientConnection | None = None
        self._disconnected_s = now()  # since when no client is connected
        self._missed: deque[str] = deque(maxlen=MAX_MISSED)
        self._error_limit = TokenBucket(MAX_ERRORS, ERRORS_PER_S, now())
        self._stopped: EndInfo | None = None

    @property
    def connected(self) -> bool:
        """Return whether a client is connected, or was until `CLIENT_GONE_S` ago."""
        if self._connection is not None:
            return True
        return self._now() - self._disconnected_s < CLIENT_GONE_S

    def on_joined(self, room: JoinedRoom) -> None:
        """Ignore the room: commands arrive over the WebSocket only."""

    async def run(self) -> None:
        """Play until cancelled."""
        await self._playout.run(self)

    def warn_of_avatar(self, text: str) -> None:
        """Send a warning about the avatar that was asked for."""
        self._send(Warned(WarningKind.UNKNOWN_AVATAR, text))

    def stop(self, reason: EndReason, text: str) -> None:
        """Cut all speech, send the closing events and close the connection."""
        self._stopped = EndInfo(reason, text)
        played_s = self._playout.flush(self._machine.turn, "stopped")
        self._perform(self._machine.stopped(reason, text, played_s))
        self._close(self._stopped)

    async def aclose(self) -> None:
        """Do nothing: no client is told anything in the room."""

    def _close(self, end_info: EndInfo) -> None:
        if self._connection is not None:
            reason = f"{end_info.reason.value}: {end_info.text}"
            self._connection.close(NORMAL, reason[:MAX_CLOSE_REASON])

    # Client.

    async def attach(self, transport: WebSocketTransport) -> None:
        """Serve one client until it leaves, is replaced, or the session ends."""
        async with client_connection(transport) as connection:
            self._connect(connection)
            try:
                async with contextlib.aclosing(aiter(connection)) as messages:
                    async for message in messages:
                        self._receive(message)
            finally:
                if self._connection is connection:
                    self._connection = None
                    self._disconnected_s = self._now()

    def _connect(self, connection: ClientConnection) -> None:
        if self._connection is not None:
            text = "another socket opened this session; this one is closed"
            self._connection.send(encode(Error(ErrorKind.INVALID_REQUEST, text)))
            self._connection.close(REPLACED, text)
            self._metrics.ws_refused.labels("replaced").inc()
        self._connection = connection
        self._send(SessionState("connected"))
        missed = bool(self._missed)
        while self._missed:
            connection.send(self._missed.popleft())
        if self._stopped is not None and missed:  # the closing events were among them
            self._close(self._stopped)
        elif self._stopped is not None:
            self.stop(self._stopped.reason, self._stopped.text)

    def _receive(self, payload: Received) -> None:
        self._session.mark_active()
        try:
            message = _message(payload)
            self._metrics.ws_messages.labels(command_type(message)).inc()
            self._check_buffer(message)
            message = self._with_room_for_phones(message)
        except ProtocolError as error:
            self._refuse(error)
        else:
            self._perform(self._machine.receive(message))

    def _check_buffer(self, message: ClientMessage) -> None:
        if not isinstance(message, Speak | SpeakEnd):
            return
        if message.audio and self._playout.buffered_s >= self._max_buffered_s:
            raise TooMuchAudio(
                f"{self._max_buffered_s:.0f} s of audio are waiting to be spoken: this "
                "message was dropped; send no further ahead than that",
                message.event_id,
            )
        opens_turn = not self._machine.has_open_turn and (
            message.audio or isinstance(message, Speak)
        )
        if opens_turn and self._machine.turns_queued >= MAX_TURNS:
            raise TooMuchAudio(
                f"{MAX_TURNS} turns are waiting to be spoken: this message was "
                "dropped; wait for agent.speak_ended, or put more audio into a turn",
                message.event_id,
            )

    def _with_room_for_phones(self, message: ClientMessage) -> ClientMessage:
        """Return the message, without its phones if too many wait already."""
        if not isinstance(message, Speak) or message.phones is None:
            return message
        if self._playout.waiting_phones < MAX_WAITING_PHONES:
            return message
        text = (
            f"{MAX_WAITING_PHONES} phones are waiting to be shown: the message was "
            "taken without its phones; send no further ahead than that"
        )
        self._refuse(TooMuchAudio(text, message.event_id))
        return replace(message, phones=None)

    def _refuse(self, error: ProtocolError) -> None:
        """Answer with an error event; in a flood only some messages get one."""
        self._metrics.ws_refused.labels(type(error).__name__).inc()
        if self._error_limit.acquire(self._now()) == 0.0:
            self._send(Error(ErrorKind.INVALID_REQUEST, str(error), error.event_id))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Open(turn):
                    self._playout.open(turn)
                case Append(turn, pcm, emotion, phones):
                    late = self._playout.append(turn, pcm, emotion, phones)
                    if late:
                        self._perform(self._machine.late_phones(turn, late))
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
        if isinstance(event, Warned):
            self._metrics.warnings.labels(event.kind.value).inc()
        text = encode(event)
        if self._connection is None:
            self._missed.append(text)
        else:
            self._connection.send(text)

    # Playback events, see `PlaybackListener`.

    def started(self, turn: int) -> None:
        self._perform(self._machine.started(turn))

    def finished(self, turn: int) -> None:
        self._session.mark_active()
        self._perform(self._machine.finished(turn))

    def gaps(self, turn: int, gaps: Gaps) -> None:
        self._perform(
            self._machine.gaps(turn, gaps.count, gaps.audio_late_s, gaps.server_late_s)
        )

    def long_underrun(self, turn: int) -> None:
        self._perform(self._machine.long_underrun(turn))

    def missing_end(self, turn: int) -> None:
        self._perform(self._machine.missing_end(turn))

    def frame_rate_changed(self, *, reduced: bool) -> None:
        self._perform(self._machine.frame_rate_changed(reduced=reduced))


def _message(payload: Received) -> ClientMessage:
    """Return the message in a WebSocket frame. Raises `ProtocolError`."""
    if isinstance(payload, Unread):
        raise too_long(payload.length)
    return decode(payload)
