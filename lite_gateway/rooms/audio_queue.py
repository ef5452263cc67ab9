"""Clock of the audio that a room has taken and the listener has not heard yet."""

import math
from collections.abc import Callable

from protocol.lite.messages import SAMPLE_RATE

_BLOCK_S = 0.010
BLOCK_SAMPLES = round(SAMPLE_RATE * _BLOCK_S)


class AudioQueue:
    """
    Duration of the queued audio, which is played in real time.

    `rtc.AudioSource.queued_duration` cannot say it: while the event loop is late, it
    counts the time in which nothing was queued against what is queued next.

    The SDK sends whole blocks of 10 ms on a grid of its own, and a block of silence
    where it has less. Its repeating task counts the blocks from the moment at which the
    source was made, without drift: make the queue right after its source.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._empty_s = 0.0  # when all of it has been played
        self._made_s = now()
        self._blocks = 0  # of the grid so far
        self._unsent = 0  # samples

    @property
    def queued_s(self) -> float:
        """Audio that has not been played if it plays without a pause, in seconds."""
        return max(0.0, self._empty_s - self._now())

    @property
    def unsent_s(self) -> float:
        """Audio that the SDK has not sent, in seconds; exact to the sample."""
        self._send_blocks()
        return self._unsent / SAMPLE_RATE

    def add(self, pcm: bytes) -> None:
        """Queue s16le samples, 24 kHz, mono."""
        self._send_blocks()
        self._unsent += len(pcm) // 2
        self._empty_s = max(self._empty_s, self._now()) + len(pcm) / 2 / SAMPLE_RATE

    def clear(self) -> None:
        """Drop what is queued."""
        self._send_blocks()
        self._unsent = 0
        self._empty_s = self._now()

    def _send_blocks(self) -> None:
        """Drop the blocks that the SDK has sent since the last call."""
        blocks = math.floor((self._now() - self._made_s) / _BLOCK_S)
        sent = min(blocks - self._blocks, self._unsent // BLOCK_SAMPLES)
        self._unsent -= sent * BLOCK_SAMPLES
        self._blocks = blocks
