"""Turn detection by energy, on the audio that a client appends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 24_000
_STEP = RATE // 50  # samples
_STEP_MS = 20
_LOUD_STEPS = 3  # so many in a row are speech
_LEVEL = 0.04  # root mean square at a threshold of 1
_EAGERNESS_MS = {"high": 300, "medium": 500, "auto": 500, "low": 1000}


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Speech began, so many milliseconds after the first appended sample."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Speech ended; ``pcm`` is its audio, with what was before it."""

    at_ms: int
    pcm: NDArray[np.int16]


class TurnDetector:
    """Finds speech in appended audio; time is that of the samples."""

    def __init__(self, turn_detection: dict[str, object] | None) -> None:
        self.configure(turn_detection)
        self._pending = np.zeros(0, np.int16)  # less than a step
        self._kept: list[NDArray[np.int16]] = []  # steps since the last turn
        self._steps = 0
        self._loud = self._quiet = 0
        self._speaking = False

    def configure(self, turn_detection: dict[str, object] | None) -> None:
        """Use the settings of a session; None switches detection off."""
        settings = turn_detection or {}
        self._on = turn_detection is not None
        semantic = settings.get("type") == "semantic_vad"
        eagerness = str(settings.get("eagerness") or "auto")
        silence_ms = settings.get("silence_duration_ms") or 500
        self._silence_steps = (
            _EAGERNESS_MS[eagerness] if semantic else int(str(silence_ms))
        ) // _STEP_MS
        self._prefix_steps = (
            int(str(settings.get("prefix_padding_ms") or 300)) // _STEP_MS
        )
        self._level = float(str(settings.get("threshold") or 0.5)) * _LEVEL

    @property
    def buffered_ms(self) -> float:
        """Audio since the last turn, in milliseconds."""
        return len(self._kept) * _STEP_MS + len(self._pending) * 1000 / RATE

    def take(self) -> NDArray[np.int16]:
        """Return the audio since the last turn, and forget it."""
        pcm = np.concatenate([*self._kept, self._pending])
        self._kept.clear()
        self._pending = np.zeros(0, np.int16)
        self._loud = self._quiet = 0
        self._speaking = False
        return pcm

    def feed(self, pcm: NDArray[np.int16]) -> list[SpeechBegan | SpeechEnded]:
        """Take audio; return what it begins and ends."""
        self._pending = np.concatenate([self._pending, pcm])
        events: list[SpeechBegan | SpeechEnded] = []
        while len(self._pending) >= _STEP:
            step, self._pending = self._pending[:_STEP], self._pending[_STEP:]
            self._kept.append(step)
            self._steps += 1
            if self._on and (event := self._listen(step)):
                events.append(event)
        return events

    def _listen(self, step: NDArray[np.int16]) -> SpeechBegan | SpeechEnded | None:
        level = float(np.sqrt(np.mean((step / 32768.0) ** 2)))
        is_loud = level > self._level
        self._loud = self._loud + 1 if is_loud else 0
        self._quiet = 0 if is_loud else self._quiet + 1
        if not self._speaking and self._loud >= _LOUD_STEPS:
            self._speaking = True
            del self._kept[: -(self._loud + self._prefix_steps)]
            return SpeechBegan(max(0, self._steps - len(self._kept)) * _STEP_MS)
        if self._speaking and self._quiet >= self._silence_steps:
            return SpeechEnded(self._steps * _STEP_MS, self._take_steps())
        return None

    def _take_steps(self) -> NDArray[np.int16]:
        pending = self._pending
        self._pending = np.zeros(0, np.int16)
        pcm = self.take()
        self._pending = pending
        return pcm
