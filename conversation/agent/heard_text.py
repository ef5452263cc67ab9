"""
Words of an answer that were heard, from its text and the samples heard of its audio.

Sentences with known times are interpolated by characters between those times. Other
text is spread evenly over the audio around it.
"""

import re
from bisect import bisect_left, bisect_right
from operator import itemgetter

SAMPLE_RATE = 24_000
# Speed of English speech. While audio is still coming, text may be ahead of it, and is
# then not taken for spoken faster than so.
CHARACTERS_PER_S = 15
# A word, or one character of a script that has no spaces.
_WORD = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]|[^\s\u2e80-\u9fff\uf900-\ufaff]+")

_CHARACTER = itemgetter(0)  # of what is known


class HeardText:
    """
    Text of one answer against its audio; positions are samples at 24 kHz.

    A call costs the logarithm of the length: there are some for each word.
    """

    def __init__(self) -> None:
        self.text = ""
        self.samples = 0  # received so far
        self._complete = False
        # Characters of the text, and the sample at which they begin, both in order.
        self._known: list[tuple[int, int]] = [(0, 0)]
        self._words: list[tuple[int, int]] = []  # the first character, and the end

    def add_text(
        self, text: str, start_s: float | None = None, end_s: float | None = None
    ) -> None:
        """Append text; ``start_s`` and ``end_s`` are its times in the audio."""
        if start_s is not None:
            self._know(start_s)
        self.text += text
        # The last word may go on.
        begin = self._words.pop()[0] if self._words else 0
        self._words += (match.span() for match in _WORD.finditer(self.text, begin))
        if end_s is not None:
            self._know(end_s)

    def know(self, character: int) -> None:
        """Note that the audio of a character begins after what was received."""
        if character > self._known[-1][0]:
            self._known.append((character, max(self._known[-1][1], self.samples)))

    def add_audio(self, samples: int) -> None:
        """Note that more audio was received."""
        self.samples += samples

    def complete(self) -> None:
        """Note that all text and audio is there."""
        self._complete = True

    def heard(self, samples: int) -> str:
        """
        Return the beginning of the text that was heard with the first ``samples``.

        It ends with a whole word. A word counts when half of it was heard.
        """
        if samples <= 0:
            return ""
        if self._complete and samples >= self.samples:
            return self.text
        count = self._count(samples)
        return self.text[: self._words[count - 1][1]] if count else ""

    def next_word(self, samples: int) -> int | None:
        """Return the position after ``samples`` at which `heard` has one word more."""
        count = self._count(samples)
        return self._middle(self._words[count]) if count < len(self._words) else None

    def _know(self, time_s: float) -> None:
        """Note the time of the end of the text so far; earlier ones hold against it."""
        character, sample = self._known[-1]
        if len(self.text) >= character:
            sample = max(sample, round(time_s * SAMPLE_RATE))
            self._known.append((len(self.text), sample))

    def _count(self, samples: int) -> int:
        """Return how many words were heard with the first ``samples``."""
        return bisect_right(self._words, samples, key=self._middle)

    def _middle(self, word: tuple[int, int]) -> int:
        """Return the sample at which a word counts: one at least, so none does at 0."""
        return max(1, self._sample_at(sum(word) / 2))

    def _sample_at(self, character: float) -> int:
        """Return the sample at which a character is spoken; it rises with them."""
        length, known = len(self.text), self._known
        # Audio can be there before its text.
        count = bisect_right(known, length, key=_CHARACTER)
        after = bisect_left(known, character, hi=count, key=_CHARACTER)
        start, start_sample = known[max(0, after - 1)]
        end, end_sample = known[after] if after < count else (length, self._end())
        share = (character - start) / (end - start) if end > start else 1.0
        sample = round(start_sample + share * max(0, end_sample - start_sample))
        return min(sample, self.samples) if self._complete else sample

    def _end(self) -> int:
        """Return the sample at which the text ends that has no known end."""
        if self._complete:
            return self.samples
        at, sample = self._known[-1]
        spoken_s = (len(self.text) - at) / CHARACTERS_PER_S
        return max(self.samples, sample + round(spoken_s * SAMPLE_RATE))
