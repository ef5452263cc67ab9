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

from renderer.frames import SAMPLE_RATE
from renderer.life.voice import MIN_SPEECH_DB, STEP, NumpyVoice, VoiceAnalysis

_BREAK_DB = -16.0  # relative to the voice's usual level
_BREAK_STEPS = 8  # that end a phrase
_MIN_PHRASE_STEPS = 15
_ADAPTATION_STEPS = 50  # of voice, after which its usual level and pitch are known
_MIN_PROMINENCE = 0.38  # of an accent: 3 dB or 2 semitones above the usual
_MIN_ACCENT_INTERVAL_S = 0.18
_KEPT_STEPS = 24  # of loudness; more than the look-ahead


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

    def __init__(self, voice: VoiceAnalysis | None = None) -> None:
        """Begin a turn; ``voice`` finds level and pitch, None: with numpy."""
        self._voice = voice or NumpyVoice()
        self.consumed = 0  # samples
        self._steps = 0
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
        events: list[Event] = []
        for level, pitch in self._voice.feed(pcm):
            self._step(level, pitch, events)
        return events

    def loudness(self, moment: int) -> float:
        """Return 0..1 at a sample of the turn; 0.5 is the voice's usual loudness."""
        back = self._steps - 1 - moment // STEP
        return self._loudness[-1 - min(max(back, 0), _KEPT_STEPS - 1)]

    def _step(self, level: float, pitch: float | None, events: list[Event]) -> None:
        at = self._steps * STEP
        self._steps += 1
        if self._usual_db is None and level > MIN_SPEECH_DB:
            self._usual_db = level + 3
        over = level - (self._usual_db if self._usual_db is not None else 0.0)
        loud = level > MIN_SPEECH_DB and over > _BREAK_DB
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
