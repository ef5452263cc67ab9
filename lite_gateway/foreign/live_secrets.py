"""
Values of secrets that this process has used lately, so that no text repeats them.

`foreign_text` and the log filter replace them. Whoever opens a secret remembers it
here. Values outlive their use, because libraries log errors of what has ended.
"""

import json
from collections.abc import Iterable
from urllib.parse import quote

MIN_SECRET = 8  # characters; a shorter one may be a word, such as "token"
_KEPT = 1000  # the newest values: those of 200 conversations


class LiveSecrets:
    """The newest secrets, in each spelling that a text may have."""

    def __init__(self) -> None:
        # Each value with its spellings, the oldest first.
        self._values: dict[str, frozenset[str]] = {}
        # Replaced as a whole: the logs of other threads read it.
        self._spellings: tuple[str, ...] = ()  # the longest first

    def remember(self, values: Iterable[str]) -> None:
        """Replace these values in texts from now on."""
        for value in values:
            if len(value) >= MIN_SECRET:
                known = self._values.pop(value, None)
                self._values[value] = known or _spellings(value)
        while len(self._values) > _KEPT:
            del self._values[next(iter(self._values))]
        spellings = frozenset[str]().union(*self._values.values())
        self._spellings = tuple(sorted(spellings, key=len, reverse=True))

    def replaced(self, text: str, by: str) -> str:
        """Return a text with each value, however it is escaped, replaced."""
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, by)
        return text

    @property
    def longest(self) -> int:
        """Length of the longest spelling of a value, in characters."""
        return len(self._spellings[0]) if self._spellings else 0


def _spellings(value: str) -> frozenset[str]:
    """Return a value as texts, URLs, JSON and representations of objects have it."""
    return frozenset(
        (
            value,
            quote(value, safe="", errors="replace"),
            json.dumps(value)[1:-1],
            json.dumps(value, ensure_ascii=False)[1:-1],
            repr(value)[1:-1],
        )
    )


live_secrets = LiveSecrets()
