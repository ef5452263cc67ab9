"""Audio of a complete recording, split into the chunks that playout gives a driver."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from protocol.lite.messages import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class FrameAudio:
    """Audio of one video frame. Its face is that of the middle of the frame."""

    start: int  # first sample of the frame
    length: int  # samples of the frame
    pcm: bytes  # s16le: samples that the driver has not consumed before
    # Samples consumed after the middle of the frame; negative where the file ends.
    lookahead_samples: int


def split_audio(
    speech: bytes, fps: Fraction, lookahead_samples: int
) -> Iterator[FrameAudio]:
    """
    Yield the frames of ``speech`` (s16le, 24 kHz).

    After each frame the driver has consumed ``lookahead_samples`` past its middle. The
    recording may end within the last frame. As in a room, no audio follows the end, so
    the look-ahead becomes shorter there.
    """
    total = len(speech) // 2
    length = int(SAMPLE_RATE / fps)
    index = consumed = 0
    while (start := int(index * SAMPLE_RATE / fps)) < total:
        middle = start + length // 2
        until = max(consumed, min(middle + lookahead_samples, total))
        pcm, consumed = speech[2 * consumed : 2 * until], until
        yield FrameAudio(start, length, pcm, consumed - middle)
        index += 1
