"""Sound of any rate, one or two channels, to the wire's PCM as it arrives."""

from math import ceil, gcd

import numpy as np
import numpy.typing as npt
import soxr

from protocol.datastream.names import AudioFormat
from protocol.lite.messages import SAMPLE_RATE

# soxr's own streams hold back 4 to 40 ms and give in blocks. Its filter hears no
# further than these to either side, so pieces that overlap by them fit together.
_BEFORE_S, _AFTER_S = 0.010, 0.005

Samples = npt.NDArray[np.float32]


class Resampler:
    """
    Gives all but the newest 5 ms, and those when asked for the rest.

    It gives whole units, the shortest time that is whole samples at both rates: a
    fraction of a millisecond, but 3 at 44.1 kHz, 7 at 22.05 and 13 at 11.025.

    Pieces may have any length: what is left of a sample waits for the next.
    """

    def __init__(self, given: AudioFormat) -> None:
        self._given = given
        common = gcd(given.rate, SAMPLE_RATE)
        self._from, self._to = given.rate // common, SAMPLE_RATE // common  # a unit
        self._before = ceil(_BEFORE_S * given.rate / self._from)
        self._after = ceil(_AFTER_S * given.rate)
        self._odd = b""
        self._held: Samples = np.zeros(0, np.float32)
        self._done = 0  # units of what is held that were given out

    def take(self, pcm: bytes) -> bytes:
        """s16le at 24 kHz, one channel."""
        pcm = self._odd + pcm
        whole = len(pcm) - len(pcm) % (2 * self._given.channels)
        pcm, self._odd = pcm[:whole], pcm[whole:]
        if self._from == self._to and self._given.channels == 1:
            return pcm
        self._held = np.concatenate([self._held, self._mono(pcm)])
        ready = (len(self._held) - self._after) // self._from
        if ready <= self._done:
            return b""
        sound = self._resampled()[self._done * self._to : ready * self._to]
        gone = max(0, ready - self._before)
        self._held, self._done = self._held[gone * self._from :], ready - gone
        return _s16le(sound)

    def rest(self) -> bytes:
        """What was held back. What comes after it is as if nothing had been before."""
        sound = self._resampled()[self._done * self._to :]
        self._held, self._done = self._held[:0], 0
        return _s16le(sound)

    def _mono(self, pcm: bytes) -> Samples:
        samples = np.frombuffer(pcm, "<i2").reshape(-1, self._given.channels)
        mono: Samples = samples.mean(1, dtype=np.float32)
        return mono

    def _resampled(self) -> Samples:
        if self._from == self._to or not len(self._held):
            return self._held
        resampled: Samples = soxr.resample(self._held, self._given.rate, SAMPLE_RATE)
        return resampled


def _s16le(sound: Samples) -> bytes:
    return bytes(np.clip(sound.round(), -32768, 32767).astype("<i2"))
