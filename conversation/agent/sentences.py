"""
Sentences of an answer, as its words come.

The first one is given on as early as it can be, because nothing is heard before it.
Later ones are spoken while others are heard, so short ones are joined.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass

MIN_FIRST = 4  # characters of the first sentence: "Yes." is worth speaking at once
MIN_LATER = 40  # characters of a later one
MAX_SENTENCE = 300  # characters: longer ones are parted, as no voice likes them
# The end of a sentence: its mark, closing quotes or brackets, and the space after it.
# Scripts without spaces have marks of their own.
_CLOSING = "\"')\\]\u2019\u201d\u300d\u300f\uff09"
_END = re.compile(
    rf"[.!?\u2026]+[{_CLOSING}]*\s+|[\u3002\uff01\uff1f]+[{_CLOSING}]*\s*|\n+\s*"
)
# Words that a full stop shortens, in English; and initials and numbers of a list.
_SHORTENED = re.compile(
    r"(?:^|[\s(\"\u201c])(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|vs|etc|No|Nr|[A-Za-z]|\d+|"
    r"[A-Za-z]\.[A-Za-z])\.\s+$"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Part of an answer; it begins at the character ``start`` of it."""

    start: int
    text: str

    @property
    def end(self) -> int:
        """Character of the answer after it."""
        return self.start + len(self.text)


class SentenceSplitter:
    """Splitter of text that comes in pieces; its sentences are the text again."""

    def __init__(self) -> None:
        self._start = 0
        self._text = ""

    def feed(self, text: str) -> Iterator[Sentence]:
        """Yield the sentences that are complete with ``text``."""
        self._text += text
        while cut := self._cut():
            yield self._take(cut)

    def end(self) -> Iterator[Sentence]:
        """Yield the rest, as the text is complete."""
        if self._text:
            yield self._take(len(self._text))

    def _cut(self) -> int:
        """Return the length of the first complete sentence, 0 if there is none."""
        least = MIN_LATER if self._start else MIN_FIRST
        for match in _END.finditer(self._text):
            # At the end of what is there, more of the mark may follow.
            if match.end() == len(self._text) and not match[0][-1].isspace():
                break
            if _SHORTENED.search(self._text[: match.end()]):
                continue
            if len(self._text[: match.end()].strip()) >= least:
                return min(match.end(), self._limit())
        return self._limit() if len(self._text) > MAX_SENTENCE else 0

    def _limit(self) -> int:
        """Return the length at which a long sentence is parted."""
        if len(self._text) <= MAX_SENTENCE:
            return len(self._text)
        beginning = self._text[:MAX_SENTENCE]
        for mark in (", ", "; ", " "):
            if (at := beginning.rfind(mark)) > 0:
                return at + len(mark)
        return MAX_SENTENCE

    def _take(self, length: int) -> Sentence:
        sentence = Sentence(self._start, self._text[:length])
        self._start, self._text = sentence.end, self._text[length:]
        return sentence


async def sentences(text: AsyncIterable[str]) -> AsyncIterator[Sentence]:
    """Yield the sentences of text that comes in pieces."""
    splitter = SentenceSplitter()
    async for piece in text:
        for sentence in splitter.feed(piece):
            yield sentence
    for sentence in splitter.end():
        yield sentence
