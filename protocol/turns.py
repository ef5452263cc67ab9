"""
Life of a turn, shared by the machines of the WebSocket and of the data stream.

A turn is one continuous speech of the avatar: an utterance of the WebSocket or a
segment of the data stream. Both machines keep their turns by these rules:

1. Turns have numbers from 1 and are played in that order.
2. A turn is open until it is sealed. An open turn takes audio, a sealed one does not.
3. A turn starts when its first sample is submitted to the room, open or sealed. A turn
   without audio never starts.
4. A sealed turn is finished when its last sample was heard. An open turn cannot
   finish: more audio may come.
5. Playout plays the oldest turn. Only that turn can start or finish.
6. A flush ends a turn in any state, the oldest one and those behind it.
7. A turn starts at most once and ends exactly once.

`NEXT` holds every change of state. Every other pair of state and cause is in
`IGNORED`: it changes nothing and is not an error, because a message of a client and a
report of playout may cross.

The tables do not say which turn a message belongs to, how much audio a turn holds, when
an open turn is sealed for lack of audio, and who is notified. The machines and
playout decide that.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from protocol.phones.phone_list import TimedPhone


class TurnState(Enum):
    """State of a turn: open, sealed or over, and started or not."""

    OPEN = "open"
    OPEN_STARTED = "open, started"
    SEALED = "sealed"
    SEALED_STARTED = "sealed, started"
    OVER = "over"  # it never started
    OVER_STARTED = "over, started"


class TurnCause(Enum):
    """Cause of a change of `TurnState`."""

    APPEND = "audio arrived"
    SEAL = "no more audio will arrive"
    START = "the first sample was submitted to the room"
    FINISH = "the last sample was heard"
    FLUSH = "an interrupt dropped the turn"


NEXT: dict[tuple[TurnState, TurnCause], TurnState] = {
    (TurnState.OPEN, TurnCause.APPEND): TurnState.OPEN,
    (TurnState.OPEN, TurnCause.SEAL): TurnState.SEALED,
    (TurnState.OPEN, TurnCause.START): TurnState.OPEN_STARTED,
    (TurnState.OPEN, TurnCause.FLUSH): TurnState.OVER,
    (TurnState.OPEN_STARTED, TurnCause.APPEND): TurnState.OPEN_STARTED,
    (TurnState.OPEN_STARTED, TurnCause.SEAL): TurnState.SEALED_STARTED,
    (TurnState.OPEN_STARTED, TurnCause.FLUSH): TurnState.OVER_STARTED,
    (TurnState.SEALED, TurnCause.START): TurnState.SEALED_STARTED,
    (TurnState.SEALED, TurnCause.FINISH): TurnState.OVER,
    (TurnState.SEALED, TurnCause.FLUSH): TurnState.OVER,
    (TurnState.SEALED_STARTED, TurnCause.FINISH): TurnState.OVER_STARTED,
    (TurnState.SEALED_STARTED, TurnCause.FLUSH): TurnState.OVER_STARTED,
}

IGNORED: frozenset[tuple[TurnState, TurnCause]] = frozenset(
    {
        # Playout finishes sealed turns only.
        (TurnState.OPEN, TurnCause.FINISH),
        (TurnState.OPEN_STARTED, TurnCause.FINISH),
        # A sealed turn drops late audio, and a second end says nothing new.
        (TurnState.SEALED, TurnCause.APPEND),
        (TurnState.SEALED, TurnCause.SEAL),
        (TurnState.SEALED_STARTED, TurnCause.APPEND),
        (TurnState.SEALED_STARTED, TurnCause.SEAL),
        # A turn starts once.
        (TurnState.OPEN_STARTED, TurnCause.START),
        (TurnState.SEALED_STARTED, TurnCause.START),
        # Messages and reports may arrive after an interrupt has ended their turn.
        *((TurnState.OVER, cause) for cause in TurnCause),
        *((TurnState.OVER_STARTED, cause) for cause in TurnCause),
    }
)


@dataclass(slots=True, eq=False)
class Turn:
    """Number and state of one turn. A machine adds its own fields in a subclass."""

    number: int
    state: TurnState = field(default=TurnState.OPEN, init=False)

    @property
    def is_open(self) -> bool:
        """Return whether more audio may arrive."""
        return self.state in (TurnState.OPEN, TurnState.OPEN_STARTED)

    @property
    def has_started(self) -> bool:
        """Return whether the turn has started; a turn that is over keeps the answer."""
        return self.state in (
            TurnState.OPEN_STARTED,
            TurnState.SEALED_STARTED,
            TurnState.OVER_STARTED,
        )

    @property
    def is_over(self) -> bool:
        return self.state in (TurnState.OVER, TurnState.OVER_STARTED)

    def apply(self, cause: TurnCause) -> bool:
        """Go to the next state. Return False if the table ignores ``cause`` here."""
        if (self.state, cause) in IGNORED:
            return False
        self.state = NEXT[self.state, cause]
        return True


T = TypeVar("T", bound=Turn)


class TurnQueue(Generic[T]):
    """Turns that are not over, in the order in which they are played."""

    def __init__(self) -> None:
        self._turns: deque[T] = deque()

    def __iter__(self) -> Iterator[T]:
        return iter(self._turns)

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def newest(self) -> T | None:
        return self._turns[-1] if self._turns else None

    def find(self, number: int) -> T | None:
        """Return the turn with this number, or None if it is over or unknown."""
        return next((turn for turn in self._turns if turn.number == number), None)

    def add(self, turn: T) -> None:
        """Add a turn whose number is higher than those of all turns before it."""
        self._turns.append(turn)

    def apply(self, number: int, cause: TurnCause) -> T | None:
        """Apply ``cause`` to one turn. Return the turn, or None if nothing changed."""
        turn = self.find(number)
        if turn is None:
            return None
        if cause in (TurnCause.START, TurnCause.FINISH) and turn is not self._turns[0]:
            return None
        if not turn.apply(cause):
            return None
        if turn.is_over:
            self._turns.remove(turn)
        return turn

    def flush(self, upto: int) -> list[T]:
        """End every turn up to number ``upto``. Return these turns, oldest first."""
        flushed = []
        while self._turns and self._turns[0].number <= upto:
            turn = self._turns.popleft()
            turn.apply(TurnCause.FLUSH)
            flushed.append(turn)
        return flushed


@dataclass(frozen=True, slots=True)
class Open:
    """Effect: let playout queue ``turn``, also while it has no audio."""

    turn: int


@dataclass(frozen=True, slots=True)
class Append:
    """
    Effect: give ``pcm`` (s16le, mono, 24 kHz) to playout as part of ``turn``.

    The face shows ``emotion`` from the first sample of ``pcm`` on. None keeps the
    emotion that the turn has. ``phones`` are of the turn, and follow those before.
    """

    turn: int
    pcm: bytes
    emotion: str | None = None
    phones: tuple[TimedPhone, ...] = ()


@dataclass(frozen=True, slots=True)
class Seal:
    """Effect: tell playout that ``turn`` gets no more audio."""

    turn: int


@dataclass(frozen=True, slots=True)
class Flush:
    """
    Effect: let playout drop every turn up to ``turn``.

    The caller then reports to the machine's ``flushed`` how much was heard.
    ``event_id`` is that of the message that asked for the flush.
    """

    turn: int
    event_id: str | None = None
