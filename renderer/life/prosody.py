"""
What a voice does that heads go with: accents, phrases, loudness; heard causally.

Sound is heard in steps of 20 ms that are counted from the start of the turn, so that
it does not matter in which pieces it comes.  An accent is a peak of prominence: louder
and higher than this voice has been lately.  It is known some 40 ms after it was
spoken; look-ahead makes up for that.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE = 24_000
STEP = RATE // 50
_DECIMATE = 4
_SLOW_RATE = RATE // _DECIMATE
_HOP = STEP // _DECIMATE
_WINDOW = 2 * _HOP  # 40 ms: three periods of a low voice
_FFT = 320  # no lag that counts wraps around
_RUMBLE = 4  # bins, up to 75 Hz, where nobody speaks
_LAGS = (_SLOW_RATE // 400, _SLOW_RATE // 75)  # of the voices that there are
_VOICED = 0.5  # of the power repeats
_QUIET_DB = -48.0  # below this nothing is speech
_BREAK_DB = -16.0  # from a voice's usual loudness down to a break
_BREAK_STEPS = 8  # that make an end of a phrase
_PHRASE_STEPS = 15  # of voice before which a break ends nothing
_USUAL_STEPS = 50  # of voice that tell what is usual for it
_LEAST = 0.38  # prominence of an accent: 3 dB or 2 semitones above the usual
_APART_S = 0.18
_KEPT = 24  # steps whose loudness is kept: more than the look-ahead
_FLOOR = 1e-9

Array = npt.NDArray[np.float32]

_AT_LAG = np.arange(*_LAGS, dtype=np.float32)
_LESS: Array = ((1.08 - 0.016 * _AT_LAG / _LAGS[0]) / (1 - _AT_LAG / _WINDOW)).astype(
    np.float32
)


@dataclass(frozen=True, slots=True)
class Accent:
    at: int  # sample of the turn
    strength: float  # 0..1
    pitch: float  # semitones above this voice's middle


@dataclass(frozen=True, slots=True)
class PhraseBegins:
    at: int


@dataclass(frozen=True, slots=True)
class PhraseEnds:
    at: int


Event = Accent | PhraseBegins | PhraseEnds


class Prosody:
    """Hears one turn."""

    def __init__(self) -> None:
        self.heard = 0  # samples
        self._steps = 0
        self._waiting = b""
        self._recent = np.zeros(_WINDOW - _HOP, np.float32)
        self._levels: deque[float] = deque([0.0] * _KEPT, _KEPT)
        self._middle_db: float | None = None  # this voice's usual loudness
        self._middle: float | None = None  # and pitch, in semitones
        self._now = self._top = 0.0  # prominence, and its peak since it rose
        self._top_at, self._top_pitch = 0, 0.0
        self._rising = False
        self._last_accent = -RATE
        self._last_strength = 0.0
        self._known = self._voiced_steps = 0
        self._silent_steps = _BREAK_STEPS

    def feed(self, pcm: bytes) -> list[Event]:
        """What the next piece, s16le, brings."""
        self.heard += len(pcm) // 2
        waiting = self._waiting + pcm
        steps = len(waiting) // (2 * STEP)
        if not steps:
            self._waiting = waiting
            return []
        used = 2 * STEP * steps
        self._waiting = waiting[used:]
        sound = np.frombuffer(waiting[:used], "<i2").reshape(-1, _DECIMATE)
        slow = np.add.reduce(sound, 1, dtype=np.float32) / (_DECIMATE * 32768)
        levels, pitches = self._analyse(np.concatenate([self._recent, slow]), steps)
        self._recent = slow[_HOP - _WINDOW :]
        events: list[Event] = []
        for level, pitch in zip(levels, pitches, strict=True):
            self._step(level, pitch, events)
        return events

    def loudness(self, moment: int) -> float:
        """0..1 at a sample of the turn: 0.5 is this voice's usual loudness."""
        back = self._steps - 1 - moment // STEP
        return self._levels[-1 - min(max(back, 0), _KEPT - 1)]

    def _analyse(
        self, slow: Array, steps: int
    ) -> tuple[list[float], list[float | None]]:
        """Level in dB and pitch in semitones, None without voice, of each step."""
        hops = slow.reshape(-1, _HOP)
        windows = np.concatenate([hops[:-1], hops[1:]], 1)  # [steps, _WINDOW]
        spectrum = np.fft.rfft(windows, _FFT)
        power = spectrum.real**2 + spectrum.imag**2
        power[:, :_RUMBLE] = 0
        repeats = np.fft.irfft(power, axis=1)[:, : _LAGS[1]]
        whole = repeats[:, 0] + _FLOOR
        # Less of a window is left at long lags; of two periods the first is meant.
        inside = repeats[:, _LAGS[0] :] * _LESS
        lags = inside.argmax(1)
        share = inside[np.arange(steps), lags] / whole
        levels = 10 * np.log10(whole / _WINDOW)
        voiced = (share > _VOICED) & (levels > _QUIET_DB)
        pitches = 12 * np.log2(_SLOW_RATE / (lags + _LAGS[0]))
        return levels.tolist(), [
            pitch if there else None
            for pitch, there in zip(pitches.tolist(), voiced.tolist(), strict=True)
        ]

    def _step(self, level: float, pitch: float | None, events: list[Event]) -> None:
        at = self._steps * STEP
        self._steps += 1
        if self._middle_db is None and level > _QUIET_DB:
            self._middle_db = level + 3
        over = level - (self._middle_db if self._middle_db is not None else 0.0)
        loud = level > _QUIET_DB and over > _BREAK_DB
        self._levels.append(min(max(0.5 + over / 24, 0.0), 1.0) if loud else 0.0)
        self._phrase(at, loud, events)
        if loud and pitch is not None:
            self._learn(level, pitch)
        self._accent(at, over if loud else None, pitch, events)

    def _phrase(self, at: int, loud: bool, events: list[Event]) -> None:
        if loud:
            if self._silent_steps >= _BREAK_STEPS:
                events.append(PhraseBegins(at))
                self._voiced_steps = 0
            self._silent_steps = 0
            self._voiced_steps += 1
            return
        self._silent_steps += 1
        if self._silent_steps == _BREAK_STEPS and self._voiced_steps >= _PHRASE_STEPS:
            events.append(PhraseEnds(at))

    def _learn(self, level: float, pitch: float) -> None:
        """What is usual for this voice: a second of it, soon after it begins."""
        assert self._middle_db is not None
        if self._middle is None:
            self._middle = pitch
        self._known += 1
        share = max(1 / _USUAL_STEPS, 1 / (self._known + 2))
        self._middle_db += (level - self._middle_db) * share
        # An octave off, as pitches are now and then, may not count for more.
        self._middle += min(max(pitch - self._middle, -6.0), 6.0) * share

    def _accent(
        self, at: int, over: float | None, pitch: float | None, events: list[Event]
    ) -> None:
        high = 0.0
        if pitch is not None and self._middle is not None:
            high = min(max(pitch - self._middle, -6.0), 6.0)
            if abs(pitch - self._middle) >= 10:
                high = 0.0
        wanted = -1.0
        if over is not None and pitch is not None:
            wanted = over / 8 + high / 5
        self._now += (wanted - self._now) * 0.55
        if self._now > self._top or not self._rising:
            self._rising = self._rising or self._now > self._top + 0.08
            self._top, self._top_at, self._top_pitch = self._now, at, high
        elif self._now < self._top - 0.12:
            self._rising = False
            self._tell(events)
            self._top = self._now

    def _tell(self, events: list[Event]) -> None:
        since_s = (self._top_at - self._last_accent) / RATE
        threshold = _LEAST + 0.9 * self._last_strength * math.exp(-since_s / 0.45)
        if self._top < threshold or since_s < _APART_S:
            return
        strength = min(0.15 + 0.5 * (self._top - _LEAST), 1.0)
        self._last_accent, self._last_strength = self._top_at, max(strength, 0.3)
        events.append(Accent(self._top_at, strength, self._top_pitch))
