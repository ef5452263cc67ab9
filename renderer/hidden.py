"""Characters that nobody sees, or that change what others look like, in names."""

import unicodedata

# Unicode's categories of control and format characters, such as those that turn the
# direction of writing, of halves of surrogate pairs, and of line breaks.
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # of others
# Scripts from Arabic on, and emoji, spell with these; between Latin letters they only
# make two names look like one.
_JOINERS = frozenset("\u200c\u200d")
_FIRST_JOINED = "\u0600"


def hidden_character(text: str) -> str | None:
    """Return the first character in a name that nobody sees, such as ``U+202E``."""
    for index, character in enumerate(text):
        if _is_hidden(character) and not _joins(text, index):
            return f"U+{ord(character):04X}"
    return None


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _CATEGORIES or character in _BLANKS


def _joins(text: str, index: int) -> bool:
    neighbours = text[index - 1 : index] + text[index + 1 : index + 2]
    return (
        text[index] in _JOINERS
        and len(neighbours) == 2
        and all(
            neighbour >= _FIRST_JOINED and not _is_hidden(neighbour)
            for neighbour in neighbours
        )
    )
