"""Streaming resampler: PCM of any rate, mono or stereo, to the wire's 24 kHz mono."""

from math import ceil, gcd

import numpy as np
import numpy.typing as npt
import soxr

from protocol.datastream.names import AudioFormat
from protocol.lite.messages import SAMPLE_RATE

# Reach of soxr's filter into past and future. soxr's own streams hold back 4 to 40 ms
# and return blocks; chunks that overlap by the filter's reach fit together exactly.
_PAST_S, _FUTURE_S = 0.010, 0.005

Samples = npt.NDArray[np.float32]


class Resampler:
    """
    Resampler of chunks of any length; it holds back the newest 5 ms until `flush`.

    Output comes in whole units: the shortest time that is a whole number of samples at
    both rates. A unit is a fraction of a millisecond, but 3 ms at 44.1 kHz, 7 ms at
    22.05 kHz and 13 ms at 11.025 kHz. An incomplete sample waits for the next chunk.
    """

    def __init__(self, source: AudioFormat) -> None:
        self._source = source
        common = gcd(source.rate, SAMPLE_RATE)
        self._unit_in = source.rate // common  # samples
        self._unit_out = SAMPLE_RATE // common  # samples
        self._past_units = ceil(_PAST_S * source.rate / self._unit_in)
        self._future_samples = ceil(_FUTURE_S * source.rate)
        self._incomplete = b""
        self._held: Samples = np.zeros(0, np.float32)
        self._done = 0  # units of `_held` that were returned already

    def push(self, pcm: bytes) -> bytes:
        """Take s16le in the source format; return s16le, 24 kHz, mono."""
        pcm = self._incomplete + pcm
        whole = len(pcm) - len(pcm) % (2 * self._source.channels)
        pcm, self._incomplete = pcm[:whole], pcm[whole:]
        if self._unit_in == self._unit_out and self._source.channels == 1:
            return pcm
        self._held = np.concatenate([self._held, self._to_mono(pcm)])
        ready = (len(self._held) - self._future_samples) // self._unit_in
        if ready <= self._done:
            return b""
        output = self._resample()[self._done * self._unit_out : ready * self._unit_out]
        drop = max(0, ready - self._past_units)
        self._held, self._done = self._held[drop * self._unit_in :], ready - drop
        return _to_s16le(output)

    def flush(self) -> bytes:
        """Return the samples held back, and start anew: the next chunk has no past."""
        output = self._resample()[self._done * self._unit_out :]
        self._held, self._done = self._held[:0], 0
        return _to_s16le(output)

    def _to_mono(self, pcm: bytes) -> Samples:
        samples = np.frombuffer(pcm, "<i2").reshape(-1, self._source.channels)
        mono: Samples = samples.mean(1, dtype=np.float32)
        return mono

    def _resample(self) -> Samples:
        if self._unit_in == self._unit_out or not len(self._held):
            return self._held
        output: Samples = soxr.resample(self._held, self._source.rate, SAMPLE_RATE)
        return output


def _to_s16le(samples: Samples) -> bytes:
    return bytes(np.clip(samples.round(), -32768, 32767).astype("<i2"))
