"""
One session's protocol, without I/O: messages and playout news in, effects out.

Turns are cut by the order of commands, never by their ids: the first speak after
nothing, a speak_end or an interrupt opens a turn, later ones append to it.
The table `NEXT` is the whole of the pose logic; every pair is in it.
"""

import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

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
    KeepAlive,
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
    Tolerated,
    Warned,
)


class State(Enum):
    """The agent's pose, and while it talks the pose that follows."""

    IDLE = "idle"
    LISTENING = "listening"
    TALKING = "talking, then idle"
    TALKING_THEN_LISTENING = "talking, then listening"

    @property
    def pose(self) -> str:
        """As the wire names it: idle, listening or talking."""
        return self.value.partition(",")[0]


class Cause(Enum):
    """What can change the pose."""

    START_LISTENING = "start_listening"
    STOP_LISTENING = "stop_listening"
    STARTED = "a turn is first heard"
    OVER = "a turn was played out or cut"


NEXT: dict[tuple[State, Cause], State] = {
    (State.IDLE, Cause.START_LISTENING): State.LISTENING,
    (State.IDLE, Cause.STOP_LISTENING): State.IDLE,
    (State.IDLE, Cause.STARTED): State.TALKING,
    (State.IDLE, Cause.OVER): State.IDLE,
    (State.LISTENING, Cause.START_LISTENING): State.LISTENING,
    (State.LISTENING, Cause.STOP_LISTENING): State.IDLE,
    (State.LISTENING, Cause.STARTED): State.TALKING_THEN_LISTENING,
    (State.LISTENING, Cause.OVER): State.LISTENING,
    (State.TALKING, Cause.START_LISTENING): State.TALKING_THEN_LISTENING,
    (State.TALKING, Cause.STOP_LISTENING): State.TALKING,
    (State.TALKING, Cause.STARTED): State.TALKING,
    (State.TALKING, Cause.OVER): State.IDLE,
    (State.TALKING_THEN_LISTENING, Cause.START_LISTENING): State.TALKING_THEN_LISTENING,
    (State.TALKING_THEN_LISTENING, Cause.STOP_LISTENING): State.TALKING,
    (State.TALKING_THEN_LISTENING, Cause.STARTED): State.TALKING_THEN_LISTENING,
    (State.TALKING_THEN_LISTENING, Cause.OVER): State.LISTENING,
}


@dataclass(frozen=True, slots=True)
class Append:
    """
    Give ``pcm`` to playout as part of ``turn``.

    ``emotion`` is on the face from its first sample on; None: as before.
    """

    turn: int
    pcm: bytes
    emotion: str | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """No more PCM will come for ``turn``."""

    turn: int


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop every turn up to ``turn``, then report back with `Machine.flushed`."""

    turn: int
    event_id: str | None


@dataclass(frozen=True, slots=True)
class Send:
    event: ServerEvent


@dataclass(frozen=True, slots=True)
class Pose:
    """Show this pose: idle, listening, talking, or thinking, which no event names."""

    name: str
    emotion: str = EMOTIONS[0]


Effect = Append | Seal | Flush | Send | Pose


@dataclass(slots=True)
class _Turn:
    number: int
    utterance: str
    task: str
    sealed: bool = False
    started: bool = False


def _uuid() -> str:
    return str(uuid.uuid4())


@dataclass(slots=True)
class Machine:
    """``new_id`` makes event and task ids; a test gives its own."""

    new_id: Callable[[], str] = _uuid
    state: State = State.IDLE
    turn: int = 0  # the newest one; turns are numbered from 1
    _turns: deque[_Turn] = field(default_factory=deque)  # neither played out nor cut
    _task: str | None = None  # of the newest turn, also after its end
    _attentive: str = EMOTIONS[0]  # emotion of the listener

    def receive(self, message: ClientMessage) -> list[Effect]:
        """Apply one client message."""
        match message:
            case Speak():
                return self._speak(message)
            case SpeakEnd(event_id, audio):
                return self._speak_end(audio, event_id)
            case Interrupt(event_id):
                return [Flush(self.turn, event_id)]
            case StartListening():
                return self._listen(message)
            case StopListening():
                return self._change(Cause.STOP_LISTENING)
            case KeepAlive() | Tolerated():
                return []

    def _speak(self, said: Speak) -> list[Effect]:
        if not said.audio:
            text = "agent.speak with empty audio was left out; send PCM or nothing"
            return [Send(Warned("empty_audio", text))]
        turn = self._open_turn() or self._new_turn(said.event_id)
        emotion, wrong = _felt(said)
        return [
            Append(turn.number, said.audio, emotion),
            Send(self._ack(AckKind.APPENDED, said.event_id)),
            *wrong,
        ]

    def _listen(self, asked: StartListening) -> list[Effect]:
        emotion, wrong = _felt(asked)
        before, self._attentive = self._attentive, emotion or EMOTIONS[0]
        effects = self._change(Cause.START_LISTENING)
        if not effects and self.state is State.LISTENING and before != self._attentive:
            effects = [Pose("listening", self._attentive)]
        return [*effects, *wrong]

    def _speak_end(self, audio: bytes, event_id: str | None) -> list[Effect]:
        effects: list[Effect] = []
        turn = self._open_turn()
        if audio:
            turn = turn or self._new_turn(event_id)
            effects.append(Append(turn.number, audio))
        if turn:
            turn.sealed = True
            effects.append(Seal(turn.number))
        return [*effects, Send(self._ack(AckKind.COMMITTED, event_id))]

    def flushed(self, flush: Flush, played_s: float) -> list[Effect]:
        """
        Playout has done ``flush``; ``played_s`` of the turn it cut were heard.

        The order matters to clients that latch "interrupted" on the first two
        events and "no longer talking" on the third.
        """
        effects: list[Effect] = [Send(self._ack(AckKind.CLEARED, flush.event_id))]
        return effects + self._cut(flush.turn, played_s)

    def _cut(self, number: int, played_s: float) -> list[Effect]:
        cut = [turn for turn in self._turns if turn.number <= number]
        self._turns = deque(turn for turn in self._turns if turn.number > number)
        heard = [turn for turn in cut if turn.started]
        if not heard:
            return []
        turn = heard[0]
        said = SpeakInterrupted(turn.utterance, turn.task, round(played_s * 1000))
        return [Send(said), *self._change(Cause.OVER)]

    def started(self, number: int) -> list[Effect]:
        """The first sample of a turn was handed to the room."""
        turn = self._turns[0] if self._turns else None
        if turn is None or turn.number != number or turn.started:
            return []  # news of a turn that an interrupt has overtaken
        turn.started = True
        effects = self._change(Cause.STARTED)
        return [*effects, Send(SpeakStarted(turn.utterance, turn.task))]

    def finished(self, number: int) -> list[Effect]:
        """The last sample of a sealed turn was heard, or it held none."""
        turn = self._turns[0] if self._turns else None
        if turn is None or turn.number != number:
            return []
        self._turns.popleft()
        if not turn.started:
            return []
        ended = SpeakEnded(turn.utterance, turn.task)
        return [Send(ended), *self._change(Cause.OVER)]

    def starved(self, number: int) -> list[Effect]:
        """An open turn has had nothing to play for a while."""
        if not self._is_open(number):
            return []
        text = "audio arrives slower than it plays; send ahead, or agent.speak_end"
        return [Send(Error(ErrorKind.STARVATION, text))]

    def expired(self, number: int) -> list[Effect]:
        """An open turn has waited too long for its speak_end: it ends here."""
        if not self._is_open(number):
            return []
        self._turns[-1].sealed = True
        text = "no audio and no agent.speak_end for too long: the turn was ended"
        return [Seal(number), Send(Warned("missing_speak_end", text))]

    def stopped(self, reason: EndReason, text: str, played_s: float) -> list[Effect]:
        """The session ends: whatever was being said is over, then the goodbye."""
        return [
            *self._cut(self.turn, played_s),
            Send(SessionState("closing")),
            Send(SessionStopped(reason, text)),
            Send(SessionState("closed")),
        ]

    def _open_turn(self) -> _Turn | None:
        if self._turns and not self._turns[-1].sealed:
            return self._turns[-1]
        return None

    def _is_open(self, number: int) -> bool:
        turn = self._open_turn()
        return turn is not None and turn.number == number

    def _new_turn(self, event_id: str | None) -> _Turn:
        self.turn += 1
        self._task = self.new_id()
        turn = _Turn(self.turn, event_id or self.new_id(), self._task)
        self._turns.append(turn)
        return turn

    def _ack(self, kind: AckKind, source: str | None) -> Ack:
        if self._task is None:
            self._task = self.new_id()
        return Ack(kind, self.new_id(), source, self._task)

    def _change(self, cause: Cause) -> list[Effect]:
        before, self.state = self.state, NEXT[self.state, cause]
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

    def _pose(self, old: str, cause: Cause) -> Pose:
        """What the face shows: who has just listened thinks before it idles."""
        if old == "listening" and cause is Cause.STOP_LISTENING:
            return Pose("thinking", self._attentive)
        if self.state is State.LISTENING:
            return Pose("listening", self._attentive)
        return Pose(self.state.pose)


def _felt(message: Speak | StartListening) -> tuple[str | None, list[Effect]]:
    """The emotion, if there is such a one. A hint that is wrong costs no speech."""
    if message.emotion is None or message.emotion in EMOTIONS:
        return message.emotion, []
    text = (
        f"unknown emotion {message.emotion[:40]!r}; one of {', '.join(EMOTIONS)}: "
        "the message was taken without it"
    )
    return None, [Send(Error(ErrorKind.INVALID_REQUEST, text, message.event_id))]
