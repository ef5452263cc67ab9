"""
Prosody of a voice, for co-speech motion: accents, phrases and loudness. Causal.

Audio is analysed in steps of 20 ms from the start of the turn, so the result does not
depend on how it is split into chunks. An accent is a peak of prominence: louder and
higher than this voice has been lately. It is detected some 40 ms after it was spoken;
look-ahead makes up for that.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from renderer.frames import SAMPLE_RATE

STEP = SAMPLE_RATE // 50  # samples
_DECIMATE = 4  # pitch is found at 6 kHz
_SLOW_RATE = SAMPLE_RATE // _DECIMATE
_HOP = STEP // _DECIMATE
_WINDOW = 2 * _HOP  # 40 ms: three periods of a low voice
_FFT = 320  # long enough that no lag of _LAGS wraps around
_RUMBLE_BINS = 4  # up to 75 Hz, below the pitch of voices
_LAGS = (_SLOW_RATE // 400, _SLOW_RATE // 75)  # of pitches from 400 down to 75 Hz
_MIN_VOICED = 0.5  # autocorrelation at the pitch lag, as a share of the power
_MIN_SPEECH_DB = -48.0
_BREAK_DB = -16.0  # relative to the voice's usual level
_BREAK_STEPS = 8  # that end a phrase
_MIN_PHRASE_STEPS = 15
_ADAPTATION_STEPS = 50  # of voice, after which its usual level and pitch are known
_MIN_PROMINENCE = 0.38  # of an accent: 3 dB or 2 semitones above the usual
_MIN_ACCENT_INTERVAL_S = 0.18
_KEPT_STEPS = 24  # of loudness; more than the look-ahead
_FLOOR = 1e-9  # power

Array = npt.NDArray[np.float32]

# Weights of the autocorrelation. They correct for the smaller overlap of a window at
# long lags, and prefer a pitch to the octaves below it, whose lags correlate as well.
_LAG_RANGE = np.arange(*_LAGS, dtype=np.float32)
_LAG_WEIGHTS: Array = (
    (1.08 - 0.016 * _LAG_RANGE / _LAGS[0]) / (1 - _LAG_RANGE / _WINDOW)
).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Accent:
    """Stressed syllable."""

    at: int  # sample of the turn
    strength: float  # 0..1
    pitch: float  # semitones above the voice's usual pitch


@dataclass(frozen=True, slots=True)
class PhraseBegins:
    """The voice begins after a break."""

    at: int  # sample of the turn


@dataclass(frozen=True, slots=True)
class PhraseEnds:
    """A break follows a phrase."""

    at: int  # sample of the turn


Event = Accent | PhraseBegins | PhraseEnds


class Prosody:
    """Analysis of the voice of one turn."""

    def __init__(self) -> None:
        self.consumed = 0  # samples
        self._steps = 0
        self._pending = b""  # less than a step
        self._window = np.zeros(_WINDOW - _HOP, np.float32)
        self._loudness: deque[float] = deque([0.0] * _KEPT_STEPS, _KEPT_STEPS)
        self._usual_db: float | None = None  # the voice's usual level
        self._usual_pitch: float | None = None  # in semitones
        self._prominence = self._peak = 0.0  # the peak since it began to rise
        self._peak_at, self._peak_pitch = 0, 0.0
        self._rising = False
        self._last_accent = -SAMPLE_RATE  # its sample
        self._last_strength = 0.0
        self._learnt_steps = self._phrase_steps = 0
        self._silent_steps = _BREAK_STEPS

    def feed(self, pcm: bytes) -> list[Event]:
        """Analyse the next audio, s16le, and return the events that it completes."""
        self.consumed += len(pcm) // 2
        pending = self._pending + pcm
        steps = len(pending) // (2 * STEP)
        if not steps:
            self._pending = pending
            return []
        used = 2 * STEP * steps
        self._pending = pending[used:]
        samples = np.frombuffer(pending[:used], "<i2").reshape(-1, _DECIMATE)
        slow = np.add.reduce(samples, 1, dtype=np.float32) / (_DECIMATE * 32768)
        levels, pitches = self._analyse(np.concatenate([self._window, slow]), steps)
        self._window = slow[_HOP - _WINDOW :]
        events: list[Event] = []
        for level, pitch in zip(levels, pitches, strict=True):
            self._step(level, pitch, events)
        return events

    def loudness(self, moment: int) -> float:
        """Return 0..1 at a sample of the turn; 0.5 is the voice's usual loudness."""
        back = self._steps - 1 - moment // STEP
        return self._loudness[-1 - min(max(back, 0), _KEPT_STEPS - 1)]

    def _analyse(
        self, slow: Array, steps: int
    ) -> tuple[list[float], list[float | None]]:
        """Return level in dB and pitch in semitones of each step; None if unvoiced."""
        hops = slow.reshape(-1, _HOP)
        windows = np.concatenate([hops[:-1], hops[1:]], 1)  # [steps, _WINDOW]
        spectrum = np.fft.rfft(windows, _FFT)
        power = spectrum.real**2 + spectrum.imag**2
        power[:, :_RUMBLE_BINS] = 0
        correlation = np.fft.irfft(power, axis=1)[:, : _LAGS[1]]
        total = correlation[:, 0] + _FLOOR
        weighted = correlation[:, _LAGS[0] :] * _LAG_WEIGHTS
        lags = weighted.argmax(1)
        share = weighted[np.arange(steps), lags] / total
        levels = 10 * np.log10(total / _WINDOW)
        voiced = (share > _MIN_VOICED) & (levels > _MIN_SPEECH_DB)
        pitches = 12 * np.log2(_SLOW_RATE / (lags + _LAGS[0]))
        return levels.tolist(), [
            pitch if is_voiced else None
            for pitch, is_voiced in zip(pitches.tolist(), voiced.tolist(), strict=True)
        ]

    def _step(self, level: float, pitch: float | None, events: list[Event]) -> None:
        at = self._steps * STEP
        self._steps += 1
        if self._usual_db is None and level > _MIN_SPEECH_DB:
            self._usual_db = level + 3
        over = level - (self._usual_db if self._usual_db is not None else 0.0)
        loud = level > _MIN_SPEECH_DB and over > _BREAK_DB
        self._loudness.append(min(max(0.5 + over / 24, 0.0), 1.0) if loud else 0.0)
        self._detect_phrase(at, loud, events)
        if loud and pitch is not None:
            self._learn(level, pitch)
        self._detect_accent(at, over if loud else None, pitch, events)

    def _detect_phrase(self, at: int, loud: bool, events: list[Event]) -> None:
        if loud:
            if self._silent_steps >= _BREAK_STEPS:
                events.append(PhraseBegins(at))
                self._phrase_steps = 0
            self._silent_steps = 0
            self._phrase_steps += 1
            return
        self._silent_steps += 1
        is_phrase = self._phrase_steps >= _MIN_PHRASE_STEPS
        if self._silent_steps == _BREAK_STEPS and is_phrase:
            events.append(PhraseEnds(at))

    def _learn(self, level: float, pitch: float) -> None:
        """Adapt the usual level and pitch: quickly at first, then over a second."""
        assert self._usual_db is not None
        if self._usual_pitch is None:
            self._usual_pitch = pitch
        self._learnt_steps += 1
        share = max(1 / _ADAPTATION_STEPS, 1 / (self._learnt_steps + 2))
        self._usual_db += (level - self._usual_db) * share
        # Limited, because detected pitches are an octave off now and then.
        self._usual_pitch += min(max(pitch - self._usual_pitch, -6.0), 6.0) * share

    def _detect_accent(
        self, at: int, over: float | None, pitch: float | None, events: list[Event]
    ) -> None:
        high = 0.0
        if pitch is not None and self._usual_pitch is not None:
            high = min(max(pitch - self._usual_pitch, -6.0), 6.0)
            if abs(pitch - self._usual_pitch) >= 10:
                high = 0.0
        target = -1.0
        if over is not None and pitch is not None:
            target = over / 8 + high / 5
        self._prominence += (target - self._prominence) * 0.55
        if self._prominence > self._peak or not self._rising:
            self._rising = self._rising or self._prominence > self._peak + 0.08
            self._peak, self._peak_at, self._peak_pitch = self._prominence, at, high
        elif self._prominence < self._peak - 0.12:
            self._rising = False
            self._emit_accent(events)
            self._peak = self._prominence

    def _emit_accent(self, events: list[Event]) -> None:
        since_s = (self._peak_at - self._last_accent) / SAMPLE_RATE
        raised = 0.9 * self._last_strength * math.exp(-since_s / 0.45)
        threshold = _MIN_PROMINENCE + raised
        if self._peak < threshold or since_s < _MIN_ACCENT_INTERVAL_S:
            return
        strength = min(0.15 + 0.5 * (self._peak - _MIN_PROMINENCE), 1.0)
        self._last_accent, self._last_strength = self._peak_at, max(strength, 0.3)
        events.append(Accent(self._peak_at, strength, self._peak_pitch))
