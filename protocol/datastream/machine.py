"""
State machine of LiveKit's avatar data stream, without I/O: events in, effects out.

Each byte stream of a sender is one *segment*, and each segment is one turn of playout.
The avatar speaks the segments of all senders one after the other, in the order in which
their headers came. The machine reports each segment to its sender as finished exactly
once, in that order, with the number of samples that were heard. It drops bytes and
trailers of a segment that is over.
"""

from dataclasses import dataclass, field

from protocol.turns import Append, Flush, Open, Seal, Turn, TurnCause, TurnQueue


@dataclass(frozen=True, slots=True)
class SegmentStarted:
    """Effect: report to ``sender`` that its segment has started to play."""

    sender: str


@dataclass(frozen=True, slots=True)
class SegmentFinished:
    """Effect: report to ``sender`` that its segment is over."""

    sender: str
    samples: int  # heard, at 24 kHz
    interrupted: bool


Effect = Open | Append | Seal | Flush | SegmentStarted | SegmentFinished


@dataclass(slots=True, eq=False)
class _Segment(Turn):
    sender: str
    samples: int = 0  # received, at 24 kHz
    orphaned: bool = False  # the sender disconnected after it opened the segment


@dataclass(slots=True)
class SegmentMachine:
    """Segments of all senders in one room."""

    turn: int = 0  # number of the newest segment
    _segments: TurnQueue[_Segment] = field(default_factory=TurnQueue)

    # Events of senders.

    def open(self, sender: str) -> list[Effect]:
        """Open a segment, because a header came. `turn` is its number."""
        self.turn += 1
        effects = self.reconnected(sender)
        self._segments.add(_Segment(self.turn, sender))
        return [*effects, Open(self.turn)]

    def receive(self, turn: int, pcm: bytes) -> list[Effect]:
        """
        Append audio to a segment, or drop it if the segment is sealed or over.

        ``pcm`` is s16le, mono, 24 kHz, whole samples.
        """
        if not pcm:
            return []
        segment = self._segments.apply(turn, TurnCause.APPEND)
        if segment is None:
            return []
        segment.samples += len(pcm) // 2
        return [Append(turn, pcm)]

    def close(self, turn: int) -> list[Effect]:
        """Seal a segment, because its trailer came or is not expected any more."""
        sealed = self._segments.apply(turn, TurnCause.SEAL)
        return [Seal(turn)] if sealed else []

    def clear(self) -> list[Effect]:
        """
        Flush every segment, because a sender interrupts.

        The call may come before the bytes of a segment and after its trailer.
        """
        newest = self._segments.newest
        return [Flush(newest.number)] if newest else []

    def disconnected(self, sender: str) -> list[Effect]:
        """Seal the open segments of a sender. The audio that came is spoken."""
        effects: list[Effect] = []
        for segment in self._segments:
            if segment.sender == sender:
                segment.orphaned = True
                effects += self.close(segment.number)
        return effects

    def reconnected(self, sender: str) -> list[Effect]:
        """
        Flush the segments that a sender opened before it disconnected.

        The sender may be another process with the same identity. Segments that it
        opened since are kept: LiveKit may announce the return of a participant after
        the header of its next stream.
        """
        orphaned = [
            segment.number
            for segment in self._segments
            if segment.sender == sender and segment.orphaned
        ]
        return [Flush(orphaned[-1])] if orphaned else []

    # Reports of playout.

    def started(self, turn: int) -> list[Effect]:
        """Report a start: the first sample of a segment was submitted to the room."""
        segment = self._segments.apply(turn, TurnCause.START)
        return [SegmentStarted(segment.sender)] if segment else []

    def finished(self, turn: int) -> list[Effect]:
        """
        Report an end: the last sample of a sealed segment was heard.

        A segment without audio ends in the same way, without a start.
        """
        segment = self._segments.apply(turn, TurnCause.FINISH)
        if segment is None:
            return []
        return [SegmentFinished(segment.sender, segment.samples, interrupted=False)]

    def flushed(self, flush: Flush, heard: int) -> list[Effect]:
        """
        Report the ends of all segments that playout dropped for ``flush``.

        ``heard`` counts the samples of the oldest segment that were heard, at 24 kHz.
        Nothing was heard of the others.
        """
        effects: list[Effect] = []
        for segment in self._segments.flush(flush.turn):
            samples = min(heard, segment.samples)
            effects.append(SegmentFinished(segment.sender, samples, interrupted=True))
            heard = 0
        return effects
