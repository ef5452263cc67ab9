"""
State machine of one LITE session, without I/O: messages and reports in, effects out.

The order of commands divides audio into turns, never the ids in them.
``agent.speak`` appends to the open turn, or opens one if none is open.
``agent.speak_end`` seals the open turn, and ``agent.interrupt`` flushes all turns.
`protocol.turns` holds the life of a turn.

An id has one effect only: audio with the id of a turn that was cut while it was open is
dropped, until the ``agent.speak_end`` with that id. It was on its way when the turn was
cut, and must not open the next one.

Every turn is over exactly once: the client gets one ``agent.speak_ended`` or one
``agent.speak_interrupted`` for each, heard or not, in the order of the turns.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.containers import container_of
from protocol.errors import quoted
from protocol.lite.hints import known_emotion, known_phones
from protocol.lite.messages import (
    EMOTIONS,
    SAMPLE_RATE,
    Ack,
    AckKind,
    AgentState,
    ClientMessage,
    EndReason,
    Error,
    ErrorKind,
    IdleEnded,
    IdleStarted,
    Interrupt,
    ServerEvent,
    SessionState,
    SessionStopped,
    Speak,
    SpeakEnd,
    SpeakEnded,
    SpeakInterrupted,
    SpeakStarted,
    StartListening,
    StopListening,
    Warned,
    WarningKind,
)
from protocol.lite.poses import NEXT_POSE, PoseCause, PoseState
from protocol.lite.stale_ids import StaleIds
from protocol.phones.phone_list import TimedPhone
from protocol.turns import Append, Flush, Open, Seal, Turn, TurnCause, TurnQueue


@dataclass(frozen=True, slots=True)
class Send:
    """Effect: send ``event`` to the client."""

    event: ServerEvent


@dataclass(frozen=True, slots=True)
class Pose:
    """
    Effect: show a pose: idle, listening, talking or thinking.

    The wire has no event for thinking; clients receive idle.
    """

    name: str
    emotion: str = EMOTIONS[0]


Effect = Open | Append | Seal | Flush | Send | Pose


@dataclass(slots=True, eq=False)
class _Utterance(Turn):
    event_id: str  # of the command that opened the turn, or a new one
    task: str
    warned_of_container: bool = False
    warned_of_phones: bool = False
    phones_until_s: float = 0.0  # end of the latest phone


def _uuid() -> str:
    return str(uuid.uuid4())


@dataclass(slots=True)
class Machine:
    """
    Turns and pose of one session.

    ``new_id`` creates event and task ids. Tests pass a counter.
    """

    new_id: Callable[[], str] = _uuid
    state: PoseState = PoseState.IDLE
    turn: int = 0  # number of the newest turn
    _turns: TurnQueue[_Utterance] = field(default_factory=TurnQueue)
    _task: str | None = None  # task id of the newest turn, also after its end
    _listening_emotion: str = EMOTIONS[0]
    _stale: StaleIds = field(default_factory=StaleIds)
    _cut_open_turn: bool = False  # and its speak_end has not come yet
    _is_stopped: bool = False

    @property
    def turns_queued(self) -> int:
        """Number of turns that are not over."""
        return len(self._turns)

    @property
    def has_open_turn(self) -> bool:
        newest = self._turns.newest
        return newest is not None and newest.is_open

    def receive(self, message: ClientMessage) -> list[Effect]:
        """Apply one client message. After the end of the session, it has no effect."""
        if self._is_stopped:
            return []
        match message:
            case Speak():
                return self._speak(message)
            case SpeakEnd():
                return self._speak_end(message)
            case Interrupt(event_id):
                return [Flush(self.turn, event_id)]
            case StartListening():
                return self._listen(message)
            case StopListening():
                return self._change(PoseCause.STOP_LISTENING)
        return []  # KeepAlive and Tolerated have no effect here

    def _speak(self, message: Speak) -> list[Effect]:
        if message.event_id in self._stale:
            return self._drop(message.event_id)
        emotion, phones, errors = self._hints(message)
        if not message.audio and not phones:
            text = "agent.speak with empty audio was left out; send PCM or nothing"
            opened: list[Effect] = [Open(self.turn)] if self._open(message) else []
            return [*opened, Send(Warned(WarningKind.EMPTY_AUDIO, text)), *errors]
        return [
            self._append(message, emotion, phones),
            Send(self._ack(AckKind.APPENDED, message.event_id)),
            *self._container(message.audio),
            *errors,
        ]

    def _listen(self, message: StartListening) -> list[Effect]:
        emotion, error = known_emotion(message)
        before, self._listening_emotion = (
            self._listening_emotion,
            emotion or EMOTIONS[0],
        )
        effects = self._change(PoseCause.START_LISTENING)
        is_listening = self.state is PoseState.LISTENING
        if not effects and is_listening and before != self._listening_emotion:
            effects = [Pose("listening", self._listening_emotion)]
        return [*effects, Send(error)] if error else effects

    def _speak_end(self, message: SpeakEnd) -> list[Effect]:
        if message.event_id in self._stale:
            effects = self._drop(message.event_id) if message.audio else []
            self._stale.discard(message.event_id)
            self._cut_open_turn = False
            return [*effects, self._committed(message)]
        effects = []
        if message.audio:
            effects += [self._append(message), *self._container(message.audio)]
        if self._turns.apply(self.turn, TurnCause.SEAL):
            return [*effects, Seal(self.turn), self._committed(message)]
        if self._cut_open_turn:  # this is the end of a turn that an interrupt has cut
            self._cut_open_turn = False
            return [self._committed(message)]
        text = "agent.speak_end had no effect: no turn is open; agent.speak opens one"
        return [
            self._committed(message),
            Send(Warned(WarningKind.NOTHING_TO_END, text)),
        ]

    def _committed(self, message: SpeakEnd) -> Send:
        return Send(self._ack(AckKind.COMMITTED, message.event_id))

    def _append(
        self,
        message: Speak | SpeakEnd,
        emotion: str | None = None,
        phones: tuple[TimedPhone, ...] = (),
    ) -> Append:
        """Append audio to the open turn. If none is open, open one."""
        self._open(message)
        if phones and self._turns.newest is not None:
            self._turns.newest.phones_until_s = phones[-1].end_s
        return Append(self.turn, message.audio, emotion, phones)

    def _hints(
        self, message: Speak
    ) -> tuple[str | None, tuple[TimedPhone, ...], list[Effect]]:
        """Return emotion and phones of a message, and an error for each bad one."""
        newest = self._turns.newest
        until_s = newest.phones_until_s if newest and newest.is_open else 0.0
        emotion, bad_emotion = known_emotion(message)
        phones, bad_phones = known_phones(message, until_s)
        return emotion, phones, [Send(e) for e in (bad_emotion, bad_phones) if e]

    def _open(self, message: Speak | SpeakEnd) -> bool:
        """Open a turn, unless one is open. Return whether a turn was opened."""
        if self._turns.apply(self.turn, TurnCause.APPEND):
            return False
        self.turn += 1
        self._task = self.new_id()
        event_id = message.event_id or self.new_id()
        self._turns.add(_Utterance(self.turn, event_id, self._task))
        self._cut_open_turn = False
        return True

    def _drop(self, event_id: str | None) -> list[Effect]:
        """Warn once for each id whose audio is dropped."""
        if not self._stale.warn_once(event_id):
            return []
        text = (
            f"audio with the event_id {quoted(event_id or '')} was dropped: its turn "
            "was interrupted; use another event_id for the next turn"
        )
        return [Send(Warned(WarningKind.STALE_AUDIO, text))]

    def _container(self, pcm: bytes) -> list[Effect]:
        """Warn once in a turn if the audio of a message begins like a file."""
        turn, container = self._turns.newest, container_of(pcm)
        if turn is None or container is None or turn.warned_of_container:
            return []
        turn.warned_of_container = True
        text = (
            f"the audio begins like a file of the format {container} and is played as "
            f"PCM: send the samples only, s16le, mono, {SAMPLE_RATE} Hz"
        )
        return [Send(Warned(WarningKind.NOT_PCM, text))]

    # Reports of playout.

    def started(self, number: int) -> list[Effect]:
        """Report a start: the first sample of a turn was submitted to the room."""
        turn = self._turns.apply(number, TurnCause.START)
        if turn is None:
            return []
        effects = self._change(PoseCause.STARTED)
        return [*effects, Send(SpeakStarted(turn.event_id, turn.task))]

    def finished(self, number: int) -> list[Effect]:
        """Report an end: the last sample of a sealed turn was heard."""
        turn = self._turns.apply(number, TurnCause.FINISH)
        if turn is None:
            return []
        ended = Send(SpeakEnded(turn.event_id, turn.task))
        # A turn without a whole sample ends without a start, and changes no pose.
        return [ended, *self._change(PoseCause.OVER)] if turn.has_started else [ended]

    def long_underrun(self, number: int) -> list[Effect]:
        """Report an underrun: an open turn has had no audio to play for a while."""
        turn = self._turns.find(number)
        if turn is None or not turn.is_open or not turn.has_started:
            return []
        text = "audio arrives slower than it plays; send ahead, or agent.speak_end"
        return [Send(Error(ErrorKind.STARVATION, text))]

    def gaps(
        self, number: int, count: int, audio_late_s: float, server_late_s: float
    ) -> list[Effect]:
        """Report that the listener heard gaps in a turn, before the turn ends."""
        turn = self._turns.find(number)
        if turn is None:
            return []
        causes = [
            f"{round(1000 * late_s)} ms because {cause}"
            for late_s, cause in (
                (audio_late_s, "its audio arrived late: send ahead"),
                (server_late_s, "this server was late: it has too much to do"),
            )
            if late_s > 0
        ]
        total_ms = round(1000 * (audio_late_s + server_late_s))
        text = (
            f"the turn {quoted(turn.event_id)} had {count} gaps of {total_ms} ms in "
            f"all; {'; '.join(causes)}"
        )
        return [Send(Warned(WarningKind.UNDERRUN, text))]

    def late_phones(self, number: int, count: int) -> list[Effect]:
        """Report once in a turn that phones came after their audio was played."""
        turn = self._turns.find(number)
        if turn is None or turn.warned_of_phones:
            return []
        turn.warned_of_phones = True
        text = (
            f"{count} phones of the turn {quoted(turn.event_id)} came after their "
            "audio was played: send phones with their audio, or before it"
        )
        return [Send(Warned(WarningKind.LATE_PHONES, text))]

    def frame_rate_changed(self, *, reduced: bool) -> list[Effect]:
        """Report that the video has half its frame rate, or all of it again."""
        if self._is_stopped:
            return []
        if not reduced:
            text = "the video has its full frame rate again"
            return [Send(Warned(WarningKind.FULL_FRAME_RATE, text))]
        text = (
            "this server has too much to do: until that is over, the video has half "
            "its frame rate, first while the avatar is silent; the audio and the "
            "timing of the lips stay right"
        )
        return [Send(Warned(WarningKind.REDUCED_FRAME_RATE, text))]

    def missing_end(self, number: int) -> list[Effect]:
        """Seal an open turn that has waited too long for audio or its speak_end."""
        if self._turns.apply(number, TurnCause.SEAL) is None:
            return []
        text = "no audio and no agent.speak_end for too long: the turn was ended"
        return [Seal(number), Send(Warned(WarningKind.MISSING_SPEAK_END, text))]

    def flushed(self, flush: Flush, heard_s: float) -> list[Effect]:
        """
        Acknowledge a flush, and report the interrupt of each turn that it has cut.

        ``heard_s`` is how much of the oldest turn was heard; nothing of the others was.
        The order of the events matters: some clients latch "interrupted" on the first
        ones and "no longer talking" on the last.
        """
        effects: list[Effect] = [Send(self._ack(AckKind.CLEARED, flush.event_id))]
        return effects + self._end_turns(flush.turn, heard_s)

    def stopped(self, reason: EndReason, text: str, heard_s: float) -> list[Effect]:
        """End the session: end all turns, then announce the reason."""
        self._is_stopped = True
        return [
            *self._end_turns(self.turn, heard_s),
            Send(SessionState("closing")),
            Send(SessionStopped(reason, text)),
            Send(SessionState("closed")),
        ]

    def _end_turns(self, upto: int, heard_s: float) -> list[Effect]:
        newest = self._turns.newest
        if newest is not None and newest.is_open and newest.number <= upto:
            self._cut_open_turn = True
            self._stale.add(newest.event_id)
        flushed = self._turns.flush(upto)
        effects: list[Effect] = []
        for turn in flushed:
            played_ms = round(heard_s * 1000)
            interrupted = SpeakInterrupted(turn.event_id, turn.task, played_ms)
            effects.append(Send(interrupted))
            heard_s = 0.0
        if flushed and flushed[0].has_started:  # only the oldest turn can have started
            effects += self._change(PoseCause.OVER)
        return effects

    def _ack(self, kind: AckKind, source: str | None) -> Ack:
        if self._task is None:
            self._task = self.new_id()
        return Ack(kind, self.new_id(), source, self._task)

    def _change(self, cause: PoseCause) -> list[Effect]:
        before, self.state = self.state, NEXT_POSE[self.state, cause]
        old, new = before.pose, self.state.pose
        if old == new:
            return []
        task = self._task or self.new_id()
        effects: list[Effect] = [self._pose(old, cause), Send(AgentState(old, new))]
        if old == "idle":
            effects.insert(1, Send(IdleEnded(task)))
        if new == "idle":
            effects.append(Send(IdleStarted(task)))
        return effects

    def _pose(self, old: str, cause: PoseCause) -> Pose:
        """Return the pose to show. A listening agent thinks before it idles."""
        if old == "listening" and cause is PoseCause.STOP_LISTENING:
            return Pose("thinking", self._listening_emotion)
        if self.state is PoseState.LISTENING:
            return Pose("listening", self._listening_emotion)
        return Pose(self.state.pose)
