"""Words that a recognizer gets wrong: texts as words, and the fewest edits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conversation.speech.answers import MAX_COUNT, number_words

_WRITTEN_OUT = {"mr": "mister", "mrs": "missus", "dr": "doctor", "ok": "okay"}
_DRAWS = 2000
_SEED = 0


def words_of(text: str) -> list[str]:
    """
    Return words in lower case, as they are spoken.

    Numbers up to 100 and the usual titles are written out, and hyphens part words.
    """
    named = re.sub(r"\d+", _number_words, text.lower().replace("\u2019", "'"))
    parts = re.sub(r"[^\w' ]", " ", named).split()
    words = [word for part in parts if (word := part.strip("'"))]
    return [_WRITTEN_OUT.get(word, word) for word in words]


def _number_words(digits: re.Match[str]) -> str:
    number = int(digits[0])
    return number_words(number) if number <= MAX_COUNT else digits[0]


def wrong_words(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and replacements between two texts."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row = row, [i]
        for j, other in enumerate(heard, 1):
            replaced = before[j - 1] + (word != other)
            row.append(min(before[j] + 1, row[j - 1] + 1, replaced))
    return row[-1]


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Wrong words and all words of each text."""

    wrong: tuple[int, ...]
    words: tuple[int, ...]

    @property
    def percent(self) -> float:
        """Wrong words in 100."""
        return 100 * sum(self.wrong) / sum(self.words)

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of `percent`, by bootstrap over the texts."""
        rng = np.random.default_rng(_SEED)
        drawn = rng.integers(0, len(self.words), (_DRAWS, len(self.words)))
        wrong, words = np.array(self.wrong), np.array(self.words)
        percents = 100 * wrong[drawn].sum(1) / words[drawn].sum(1)
        low, high = np.percentile(percents, [2.5, 97.5])
        return float(low), float(high)
