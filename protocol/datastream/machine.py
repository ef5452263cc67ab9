"""
LiveKit's avatar data stream, without I/O: what senders do in, effects out.

A byte stream is a *segment*, and a segment is a turn of playout.  Segments are spoken
one after the other in the order in which they were opened, whoever opened them.  Each
is reported to its sender as finished exactly once, in that order, with as many samples
as were really played; bytes and ends of a segment that is over are nobody's any more.
"""

from collections import deque
from dataclasses import dataclass, field

from protocol.lite.machine import Append, Seal


@dataclass(frozen=True, slots=True)
class Open:
    """``turn`` is next in line, also while it has no sound."""

    turn: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Drop every turn up to ``turn``, then report back with `SegmentMachine.cut`."""

    turn: int


@dataclass(frozen=True, slots=True)
class SegmentStarted:
    """Tell ``sender`` that its segment is first heard."""

    sender: str


@dataclass(frozen=True, slots=True)
class SegmentFinished:
    """Tell ``sender`` that its segment is over."""

    sender: str
    samples: int  # really played
    interrupted: bool


Effect = Open | Append | Seal | Cut | SegmentStarted | SegmentFinished


@dataclass(slots=True)
class _Segment:
    turn: int
    sender: str
    samples: int = 0  # received
    sealed: bool = False
    started: bool = False
    former: bool = False  # its sender has left since


@dataclass(slots=True)
class SegmentMachine:
    turn: int = 0  # of the newest segment; turns are numbered from 1
    _queue: deque[_Segment] = field(default_factory=deque)  # neither over nor cut

    # What senders do.

    def open(self, sender: str) -> list[Effect]:
        """A header came. `turn` names the new segment from here on."""
        self.turn += 1
        before = self.returned(sender)
        self._queue.append(_Segment(self.turn, sender))
        return [*before, Open(self.turn)]

    def receive(self, turn: int, pcm: bytes) -> list[Effect]:
        """Whole samples, s16le, 24 kHz; of a segment that is over they are dropped."""
        segment = self._find(turn)
        if segment is None or segment.sealed or not pcm:
            return []
        segment.samples += len(pcm) // 2
        return [Append(turn, pcm)]

    def close(self, turn: int) -> list[Effect]:
        """A trailer came, or will not come any more."""
        segment = self._find(turn)
        if segment is None or segment.sealed:
            return []
        segment.sealed = True
        return [Seal(turn)]

    def clear(self) -> list[Effect]:
        """An interrupt; it may come before the bytes, and after the trailer."""
        return [Cut(self._queue[-1].turn)] if self._queue else []

    def left(self, sender: str) -> list[Effect]:
        """No more will come; what came is spoken."""
        effects: list[Effect] = []
        for segment in self._queue:
            if segment.sender == sender:
                segment.former = True
                effects += self.close(segment.turn)
        return effects

    def returned(self, sender: str) -> list[Effect]:
        """
        Back after `left`, maybe as another program with the same name.

        What is left of before is cut.  News of a return may come late: what the
        sender has opened since is spoken.
        """
        former = [
            segment
            for segment in self._queue
            if segment.sender == sender and segment.former
        ]
        return [Cut(former[-1].turn)] if former else []

    # What playout tells.

    def cut(self, upto: int, played: int) -> list[Effect]:
        """`Cut` was done; so many samples of the segment in front had been heard."""
        effects: list[Effect] = []
        while self._queue and self._queue[0].turn <= upto:
            segment = self._queue.popleft()
            heard = min(played, segment.samples)
            effects.append(SegmentFinished(segment.sender, heard, True))
            played = 0
        return effects

    def started(self, turn: int) -> list[Effect]:
        """The first sample was handed to the room."""
        segment = self._queue[0] if self._queue else None
        if segment is None or segment.turn != turn or segment.started:
            return []
        segment.started = True
        return [SegmentStarted(segment.sender)]

    def finished(self, turn: int) -> list[Effect]:
        """The last sample of a sealed segment was heard, or it held none."""
        segment = self._queue[0] if self._queue else None
        if segment is None or segment.turn != turn:
            return []
        self._queue.popleft()
        return [SegmentFinished(segment.sender, segment.samples, False)]

    def _find(self, turn: int) -> _Segment | None:
        return next((each for each in self._queue if each.turn == turn), None)
