"""Texts of providers, made fit for the link, for requests and for the history."""

# Of one text. As JSON it has at most six bytes a character, which the link carries.
MAX_CHARACTERS = 40_000


def usable(text: str, limit: int = MAX_CHARACTERS) -> str:
    """
    Return a text that can be encoded as UTF-8, of at most ``limit`` characters.

    JSON may have halves of surrogate pairs. Those that belong together are joined, and
    each other one is replaced by U+FFFD.
    """
    text = text[:limit]
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
