"""
State machine of LiveKit's avatar data stream, without I/O: events in, effects out.

Each byte stream of a sender is one *segment*, and each segment is one turn of playout.
The avatar speaks the segments of all senders one after the other, in the order in which
their headers came. The machine reports each segment to its sender as finished exactly
once, in that order, with the number of samples that were heard. It drops bytes and
trailers of a segment that is over.

A segment that was not played to its end is reported as interrupted: a clear cut it, its
stream broke off, or its audio could not be played.
"""

from dataclasses import dataclass, field

from protocol.turns import Append, Flush, Open, Seal, Turn, TurnCause, TurnQueue

MAX_REFUSED = 256  # streams whose refusal waits behind one segment


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
    failed: bool = False  # not all of the stream came, or could be played
    # Senders of streams that came after this segment and were refused.
    refused: list[str] = field(default_factory=list)


@dataclass(slots=True)
class SegmentMachine:
    """Segments of all senders in one room."""

    turn: int = 0  # number of the newest segment
    _segments: TurnQueue[_Segment] = field(default_factory=TurnQueue)

    @property
    def segments_queued(self) -> int:
        """Number of segments that are not over."""
        return len(self._segments)

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

    def fail(self, turn: int) -> list[Effect]:
        """Seal a segment whose stream broke off or cannot be played to its end."""
        segment = self._segments.find(turn)
        if segment is not None:
            segment.failed = True
        return self.close(turn)

    def refuse(self, sender: str) -> list[Effect]:
        """
        Report a stream that is not read as interrupted, after the segments before it.

        Senders match reports by count, so a refusal must not overtake a report.
        """
        newest = self._segments.newest
        if newest is None:
            return [SegmentFinished(sender, 0, interrupted=True)]
        if len(newest.refused) < MAX_REFUSED:
            newest.refused.append(sender)
        return []

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
        return _reports(segment, segment.samples, interrupted=segment.failed)

    def flushed(self, flush: Flush, heard: int) -> list[Effect]:
        """
        Report the ends of all segments that playout dropped for ``flush``.

        ``heard`` counts the samples of the oldest segment that were heard, at 24 kHz.
        Nothing was heard of the others.
        """
        effects: list[Effect] = []
        for segment in self._segments.flush(flush.turn):
            effects += _reports(segment, min(heard, segment.samples), interrupted=True)
            heard = 0
        return effects


def _reports(segment: _Segment, samples: int, *, interrupted: bool) -> list[Effect]:
    """Return the report of a segment, and those of streams refused after it."""
    reports: list[Effect] = [SegmentFinished(segment.sender, samples, interrupted)]
    for sender in segment.refused:
        reports.append(SegmentFinished(sender, 0, interrupted=True))
    return reports
