"""One turn's PCM: what has arrived, what the driver has heard, what has been played."""

from collections import deque

import numpy as np

from protocol.lite.messages import EMOTIONS, SAMPLE_RATE

LOUD_RMS = 0.12
_BYTES = 2  # a sample


class TurnAudio:
    """
    Positions are samples from the turn's start; bytes before both cursors are freed.

    ``heard`` is the driver's cursor, ``played`` the cursor of what was handed to the
    room.  Fragments may have any length: half a sample waits for its other half.
    """

    def __init__(self, number: int, received_s: float) -> None:
        self.number = number
        self.received_s = received_s  # when the first piece arrived
        self.arrived_s = received_s  # when the newest piece arrived
        self.sealed = False
        self.heard = 0
        self.played = 0
        self._freed = 0
        self._bytes = bytearray()
        self._emotions: deque[tuple[int, str]] = deque()  # from which sample on

    @property
    def end(self) -> int:
        """Whole samples that have arrived."""
        return self._freed + len(self._bytes) // _BYTES

    @property
    def unplayed(self) -> int:
        return self.end - self.played

    @property
    def unplayed_s(self) -> float:
        return self.unplayed / SAMPLE_RATE

    def append(self, pcm: bytes, now_s: float, emotion: str | None = None) -> None:
        if emotion is not None:
            self._emotions.append((self.end, emotion))
        if not self.end:
            self.received_s = now_s
        self._bytes += pcm
        self.arrived_s = now_s

    def hear(self, until: int) -> bytes:
        """What the driver has not heard yet, up to ``until`` or as far as there is."""
        pcm = self._span(self.heard, until)
        self.heard += len(pcm) // _BYTES
        return pcm

    def play(self, samples: int) -> bytes:
        """The next piece for the room, at most ``samples``."""
        pcm = self._span(self.played, self.played + samples)
        self.played += len(pcm) // _BYTES
        self._free()
        return pcm

    def emotion(self, sample: int) -> str:
        """What the face shows at a sample; samples are asked for in their order."""
        while len(self._emotions) > 1 and self._emotions[1][0] <= sample:
            self._emotions.popleft()
        if self._emotions and self._emotions[0][0] <= sample:
            return self._emotions[0][1]
        return EMOTIONS[0]

    def peek(self, start: int, samples: int) -> bytes:
        """``samples`` from ``start``, or as much of them as is still here."""
        return self._span(max(start, self._freed), start + samples)

    def _span(self, start: int, stop: int) -> bytes:
        first = (start - self._freed) * _BYTES
        last = (min(stop, self.end) - self._freed) * _BYTES
        return bytes(self._bytes[first : max(first, last)])

    def _free(self) -> None:
        """Keep a second behind the cursors: an interrupt looks back and fades."""
        keep_from = min(self.heard, self.played) - SAMPLE_RATE
        if keep_from > self._freed:
            del self._bytes[: (keep_from - self._freed) * _BYTES]
            self._freed = keep_from


def loudness(pcm: bytes) -> float:
    """0..1 of s16le samples: 1 is loud speech."""
    if not pcm:
        return 0.0
    rms = float(np.sqrt(np.square(np.frombuffer(pcm, "<i2") / 32768).mean()))
    return min(1.0, rms / LOUD_RMS)


def faded(pcm: bytes) -> bytes:
    """s16le samples brought linearly to silence."""
    samples = np.frombuffer(pcm, "<i2")
    return (samples * np.linspace(1, 0, len(samples))).astype("<i2").tobytes()
