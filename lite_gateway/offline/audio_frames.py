"""What a driver hears of a turn that is all at hand, frame by frame, as in playout."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from protocol.lite.messages import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class FrameAudio:
    """One frame's share of the sound; a face is for the middle of its frame."""

    start: int  # first sample of the frame
    length: int  # samples of the frame
    pcm: bytes  # s16le: what has not been heard before
    lookahead_samples: int  # past the frame's middle; negative past the end


def hearings(speech: bytes, fps: Fraction, ahead: int) -> Iterator[FrameAudio]:
    """
    The frames of ``speech`` (s16le, 24 kHz), with ``ahead`` samples past their middle.

    The last frame may be longer than what is left; as in a room nothing is heard
    past the end, so the look-ahead falls there.
    """
    total = len(speech) // 2
    length = int(SAMPLE_RATE / fps)
    index = heard = 0
    while (start := int(index * SAMPLE_RATE / fps)) < total:
        middle = start + length // 2
        until = max(heard, min(middle + ahead, total))
        new, heard = speech[2 * heard : 2 * until], until
        yield FrameAudio(start, length, new, heard - middle)
        index += 1
