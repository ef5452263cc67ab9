"""Sounds that the counterpart recognises: silence, taught clips, its own voice."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_STEP_S = 0.02
QUIET = 0.005  # root mean square of the loudest tenth of a silence
_SIMILAR = 0.75  # correlation of two envelopes
DEFAULT_WORDS = "Hello there."


@dataclass(slots=True)
class Clips:
    """Clips by name, with the words that are in them; known by their envelope."""

    _envelopes: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _words: dict[str, str] = field(default_factory=dict)

    def teach(self, name: str, words: str, pcm: NDArray[np.int16], rate: int) -> None:
        """Remember a clip."""
        self._envelopes[name] = _envelope(pcm, rate)
        self._words[name] = words

    def name(self, pcm: NDArray[np.int16], rate: int) -> str:
        """Return the name of the clip that audio has in it, empty if none."""
        found = _envelope(pcm, rate)
        scores = {
            name: _correlation(found, known) for name, known in self._envelopes.items()
        }
        best = max(scores, key=scores.__getitem__, default="")
        return best if best and scores[best] > _SIMILAR else ""

    def words(self, name: str) -> str:
        """Return the words of a clip."""
        return self._words[name]

    def clear(self) -> None:
        """Forget all clips."""
        self._envelopes.clear()
        self._words.clear()


def is_silent(pcm: NDArray[np.int16], rate: int) -> bool:
    """Return whether nothing is loud in audio."""
    envelope = _envelope(pcm, rate)
    return not len(envelope) or float(np.quantile(envelope, 0.9)) < QUIET


def default_words(pcm: NDArray[np.int16], rate: int, clips: Clips) -> str:
    """Return the words of a known clip, none of silence, else `DEFAULT_WORDS`."""
    if name := clips.name(pcm, rate):
        return clips.words(name)
    return "" if is_silent(pcm, rate) else DEFAULT_WORDS


def _envelope(pcm: NDArray[np.int16], rate: int) -> NDArray[np.float64]:
    hop = round(_STEP_S * rate)
    count = len(pcm) // hop
    blocks = np.asarray(pcm[: count * hop], np.float64).reshape(count, hop) / 32768
    return np.sqrt((blocks**2).mean(axis=1))


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the correlation of two envelopes at their best shift."""
    if len(one) < 5 or len(other) < 5:
        return 0.0
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.correlate(one, other, "full").max()) / norm if norm else 0.0
