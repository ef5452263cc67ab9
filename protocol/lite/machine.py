"""
State machine of one LITE session, without I/O: messages and reports in, effects out.

The order of commands divides audio into turns, never the ids in them.
``agent.speak`` appends to the open turn, or opens one if none is open.
``agent.speak_end`` seals the open turn, and ``agent.interrupt`` flushes all turns.
`protocol.turns` holds the life of a turn.

`NEXT_POSE` decides the pose, and has an entry for every pair of state and cause.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from protocol.errors import quoted
from protocol.lite.messages import (
    EMOTIONS,
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
)
from protocol.turns import Append, Flush, Seal, Turn, TurnCause, TurnQueue


class PoseState(Enum):
    """Pose of the agent, and for a talking agent also the pose that follows."""

    IDLE = "idle"
    LISTENING = "listening"
    TALKING = "talking, then idle"
    LISTENING_NEXT = "talking, then listening"

    @property
    def pose(self) -> str:
        """Return the pose's name on the wire: idle, listening or talking."""
        return self.value.partition(",")[0]


class PoseCause(Enum):
    """Cause of a change of `PoseState`."""

    START_LISTENING = "start_listening"
    STOP_LISTENING = "stop_listening"
    STARTED = "a turn started"
    OVER = "a turn that had started is over"


NEXT_POSE: dict[tuple[PoseState, PoseCause], PoseState] = {
    (PoseState.IDLE, PoseCause.START_LISTENING): PoseState.LISTENING,
    (PoseState.IDLE, PoseCause.STOP_LISTENING): PoseState.IDLE,
    (PoseState.IDLE, PoseCause.STARTED): PoseState.TALKING,
    (PoseState.IDLE, PoseCause.OVER): PoseState.IDLE,
    (PoseState.LISTENING, PoseCause.START_LISTENING): PoseState.LISTENING,
    (PoseState.LISTENING, PoseCause.STOP_LISTENING): PoseState.IDLE,
    (PoseState.LISTENING, PoseCause.STARTED): PoseState.LISTENING_NEXT,
    (PoseState.LISTENING, PoseCause.OVER): PoseState.LISTENING,
    (PoseState.TALKING, PoseCause.START_LISTENING): PoseState.LISTENING_NEXT,
    (PoseState.TALKING, PoseCause.STOP_LISTENING): PoseState.TALKING,
    (PoseState.TALKING, PoseCause.STARTED): PoseState.TALKING,
    (PoseState.TALKING, PoseCause.OVER): PoseState.IDLE,
    (PoseState.LISTENING_NEXT, PoseCause.START_LISTENING): PoseState.LISTENING_NEXT,
    (PoseState.LISTENING_NEXT, PoseCause.STOP_LISTENING): PoseState.TALKING,
    (PoseState.LISTENING_NEXT, PoseCause.STARTED): PoseState.LISTENING_NEXT,
    (PoseState.LISTENING_NEXT, PoseCause.OVER): PoseState.LISTENING,
}


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


Effect = Append | Seal | Flush | Send | Pose


@dataclass(slots=True, eq=False)
class _Utterance(Turn):
    event_id: str  # of the command that opened the turn, or a new one
    task: str


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

    def receive(self, message: ClientMessage) -> list[Effect]:
        """Apply one client message."""
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
        if not message.audio:
            text = "agent.speak with empty audio was left out; send PCM or nothing"
            return [Send(Warned("empty_audio", text))]
        emotion, errors = _known_emotion(message)
        return [
            self._append(message.audio, message.event_id, emotion),
            Send(self._ack(AckKind.APPENDED, message.event_id)),
            *errors,
        ]

    def _listen(self, message: StartListening) -> list[Effect]:
        emotion, errors = _known_emotion(message)
        before, self._listening_emotion = (
            self._listening_emotion,
            emotion or EMOTIONS[0],
        )
        effects = self._change(PoseCause.START_LISTENING)
        is_listening = self.state is PoseState.LISTENING
        if not effects and is_listening and before != self._listening_emotion:
            effects = [Pose("listening", self._listening_emotion)]
        return [*effects, *errors]

    def _speak_end(self, message: SpeakEnd) -> list[Effect]:
        effects: list[Effect] = []
        if message.audio:
            effects.append(self._append(message.audio, message.event_id))
        if self._turns.apply(self.turn, TurnCause.SEAL):
            effects.append(Seal(self.turn))
        return [*effects, Send(self._ack(AckKind.COMMITTED, message.event_id))]

    def _append(
        self, pcm: bytes, event_id: str | None, emotion: str | None = None
    ) -> Append:
        """Append audio to the open turn. If none is open, open one."""
        if self._turns.apply(self.turn, TurnCause.APPEND) is None:
            self.turn += 1
            self._task = self.new_id()
            turn = _Utterance(self.turn, event_id or self.new_id(), self._task)
            self._turns.add(turn)
        return Append(self.turn, pcm, emotion)

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
        if turn is None or not turn.has_started:
            return []
        ended = SpeakEnded(turn.event_id, turn.task)
        return [Send(ended), *self._change(PoseCause.OVER)]

    def long_underrun(self, number: int) -> list[Effect]:
        """Report an underrun: an open turn has had no audio to play for a while."""
        turn = self._turns.find(number)
        if turn is None or not turn.is_open:
            return []
        text = "audio arrives slower than it plays; send ahead, or agent.speak_end"
        return [Send(Error(ErrorKind.STARVATION, text))]

    def missing_end(self, number: int) -> list[Effect]:
        """Seal an open turn that has waited too long for audio or its speak_end."""
        if self._turns.apply(number, TurnCause.SEAL) is None:
            return []
        text = "no audio and no agent.speak_end for too long: the turn was ended"
        return [Seal(number), Send(Warned("missing_speak_end", text))]

    def flushed(self, flush: Flush, heard_s: float) -> list[Effect]:
        """
        Acknowledge a flush, and report the interrupt of a turn that had started.

        ``heard_s`` is how much of that turn was heard. The order of the events
        matters: some clients latch "interrupted" on the first two and "no longer
        talking" on the third.
        """
        effects: list[Effect] = [Send(self._ack(AckKind.CLEARED, flush.event_id))]
        return effects + self._end_turns(flush.turn, heard_s)

    def stopped(self, reason: EndReason, text: str, heard_s: float) -> list[Effect]:
        """End the session: end all turns, then announce the reason."""
        return [
            *self._end_turns(self.turn, heard_s),
            Send(SessionState("closing")),
            Send(SessionStopped(reason, text)),
            Send(SessionState("closed")),
        ]

    def _end_turns(self, upto: int, heard_s: float) -> list[Effect]:
        flushed = self._turns.flush(upto)
        if not flushed or not flushed[0].has_started:
            return []  # only the oldest turn can have started
        turn = flushed[0]
        event = SpeakInterrupted(turn.event_id, turn.task, round(heard_s * 1000))
        return [Send(event), *self._change(PoseCause.OVER)]

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


def _known_emotion(message: Speak | StartListening) -> tuple[str | None, list[Effect]]:
    """
    Return the emotion of a message, or None and an error if its name is unknown.

    An emotion is a hint for the face, so the rest of the message is used.
    """
    if message.emotion is None or message.emotion in EMOTIONS:
        return message.emotion, []
    text = (
        f"unknown emotion {quoted(message.emotion)}; one of {', '.join(EMOTIONS)}: "
        "the message was taken without it"
    )
    return None, [Send(Error(ErrorKind.INVALID_REQUEST, text, message.event_id))]
