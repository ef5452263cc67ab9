"""Account of the turns of one session: each must be over exactly once, in order."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lite_gateway.client import Event

STARTED = "agent.speak_started"
ENDED = "agent.speak_ended"
INTERRUPTED = "agent.speak_interrupted"
APPENDED = "agent.audio_buffer_appended"
STOPPED = "session.stopped"
_OF_A_TURN = (STARTED, ENDED, INTERRUPTED)


@dataclass(slots=True)
class TurnRecord:
    """Turn that was sent, and what the server told of it."""

    number: int  # in the order of sending
    certain: bool  # whether its messages must have arrived
    accepted: bool = False  # whether the server has answered to one of its messages
    starts: int = 0
    ends: int = 0
    interrupts: int = 0

    @property
    def is_over(self) -> bool:
        return self.ends + self.interrupts > 0

    @property
    def is_due(self) -> bool:
        """Return whether the server owes the end of the turn."""
        return (self.certain or self.accepted) and not self.is_over


@dataclass(slots=True)
class TurnAccount:
    """
    Turns of one session, each with an event id of its own.

    A turn is certain if it was sent over a connection that held. A turn that is not,
    or that the server may refuse, is over at most once; exactly once if the server has
    acknowledged its audio.
    """

    turns: dict[str, TurnRecord] = field(default_factory=dict)
    stopped: Event | None = None
    faults: list[str] = field(default_factory=list)
    _last_over: int = -1

    def sending(self, turn: str, *, certain: bool = True) -> None:
        """Note that the first message of a turn is sent now."""
        self.turns[turn] = TurnRecord(len(self.turns), certain)

    def doubt(self, turns: Iterable[str]) -> None:
        """Note that a connection was lost: messages or events of turns may be, too."""
        for turn in turns:
            record = self.turns[turn]
            if not record.is_over:
                record.certain = record.accepted = False

    def take(self, event: Event) -> None:
        """Note an event of the server."""
        kind = event["type"]
        if kind == STOPPED:
            self.stopped = event
        elif kind == APPENDED:
            if record := self.turns.get(event.get("source_event_id") or ""):
                record.accepted = True
        elif kind in _OF_A_TURN:
            self._take_turn(kind, event.get("event_id") or "")

    def _take_turn(self, kind: str, turn: str) -> None:
        record = self.turns.get(turn)
        if record is None:
            self.faults.append(f"{kind} of a turn that was not sent: {turn!r}")
            return
        if self.stopped is not None:
            self.faults.append(f"{kind} of turn {turn} after {STOPPED}")
        if kind == STARTED:
            record.starts += 1
            if record.starts > 1:
                self.faults.append(f"turn {turn} started {record.starts} times")
            if record.is_over:
                self.faults.append(f"turn {turn} started after it was over")
            return
        if record.is_over:
            self.faults.append(f"turn {turn} was over again: {kind}")
        elif record.number < self._last_over:
            self.faults.append(f"turn {turn} was over after a later turn")
        self._last_over = max(self._last_over, record.number)
        if kind == ENDED:
            record.ends += 1
        else:
            record.interrupts += 1

    def due(self) -> list[str]:
        """Return the turns whose end the server owes."""
        return [turn for turn, record in self.turns.items() if record.is_due]

    def pending(self) -> list[str]:
        """Return the turns of which no end is known."""
        return [turn for turn, record in self.turns.items() if not record.is_over]

    def count(self, name: str) -> int:
        """Return the number of turns with a kind of outcome, or its occurrences."""
        records = self.turns.values()
        match name:
            case "sent":
                return len(records)
            case "started":
                return sum(record.starts for record in records)
            case "ended":
                return sum(record.ends for record in records)
            case "interrupted":
                return sum(record.interrupts for record in records)
            case "uncertain":
                return sum(not (record.is_over or record.is_due) for record in records)
            case "unaccounted":
                return len(self.due())
        raise ValueError(name)
