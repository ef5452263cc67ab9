"""
Level and pitch of a voice in steps of 20 ms. Causal.

The steps begin with the turn, so the result does not depend on how its audio is split
into chunks. The pitch is the lag at which the autocorrelation of 40 ms is highest.
`renderer.life.native_voice` does the same in native code.
"""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from renderer.frames import SAMPLE_RATE

STEP = SAMPLE_RATE // 50  # samples
DECIMATION = 4  # pitch is found at 6 kHz
_SLOW_RATE = SAMPLE_RATE // DECIMATION
HOP = STEP // DECIMATION
WINDOW = 2 * HOP  # 40 ms: three periods of a low voice
FFT = 320  # long enough that no lag of LAGS wraps around
RUMBLE_BINS = 4  # up to 75 Hz, below the pitch of voices
LAGS = (_SLOW_RATE // 400, _SLOW_RATE // 75)  # of pitches from 400 down to 75 Hz
MIN_VOICED = 0.5  # autocorrelation at the pitch lag, as a share of the power
MIN_SPEECH_DB = -48.0
FLOOR = 1e-9  # power

Array = npt.NDArray[np.float32]

# Weights of the autocorrelation. They correct for the smaller overlap of a window at
# long lags, and prefer a pitch to the octaves below it, whose lags correlate as well.
_LAG_RANGE = np.arange(*LAGS, dtype=np.float32)
LAG_WEIGHTS: Array = (
    (1.08 - 0.016 * _LAG_RANGE / LAGS[0]) / (1 - _LAG_RANGE / WINDOW)
).astype(np.float32)
# In semitones, by lag.
PITCHES: list[float] = (12 * np.log2(_SLOW_RATE / np.arange(1, LAGS[1]))).tolist()
PITCHES.insert(0, float("inf"))


class VoiceStep(NamedTuple):
    """Voice in one step."""

    level: float  # dB, relative to full scale
    pitch: float | None  # semitones above 1 Hz; None if unvoiced


class VoiceAnalysis(Protocol):
    """Analysis of the voice of one turn."""

    def feed(self, pcm: bytes) -> list[VoiceStep]:
        """Analyse the next audio, s16le, and return the steps that it completes."""
        ...


class NumpyVoice:
    """Analysis of the voice of one turn, with numpy."""

    def __init__(self) -> None:
        self._pending = b""  # less than a step
        self._window = np.zeros(WINDOW - HOP, np.float32)

    def feed(self, pcm: bytes) -> list[VoiceStep]:
        """Analyse the next audio, s16le, and return the steps that it completes."""
        pending = self._pending + pcm
        steps = len(pending) // (2 * STEP)
        used = 2 * STEP * steps
        self._pending = pending[used:]
        if not steps:
            return []
        samples = np.frombuffer(pending[:used], "<i2").reshape(-1, DECIMATION)
        slow = np.add.reduce(samples, 1, dtype=np.float32) / (DECIMATION * 32768)
        levels, pitches = _analyse(np.concatenate([self._window, slow]))
        self._window = slow[HOP - WINDOW :]
        return [*map(VoiceStep, levels, pitches)]


def _analyse(slow: Array) -> tuple[list[float], list[float | None]]:
    """Return level and pitch of each step after the first window of ``slow``."""
    hops = slow.reshape(-1, HOP)
    windows = np.concatenate([hops[:-1], hops[1:]], 1)  # [steps, WINDOW]
    spectrum = np.fft.rfft(windows, FFT)
    power = spectrum.real**2 + spectrum.imag**2
    power[:, :RUMBLE_BINS] = 0
    correlation = np.fft.irfft(power, axis=1)[:, : LAGS[1]]
    total = correlation[:, 0] + FLOOR
    weighted = correlation[:, LAGS[0] :] * LAG_WEIGHTS
    lags = weighted.argmax(1)
    share = weighted[np.arange(len(lags)), lags] / total
    levels = 10 * np.log10(total / WINDOW)
    voiced = (share > MIN_VOICED) & (levels > MIN_SPEECH_DB)
    return levels.tolist(), [
        PITCHES[LAGS[0] + lag] if is_voiced else None
        for lag, is_voiced in zip(lags.tolist(), voiced.tolist(), strict=True)
    ]
