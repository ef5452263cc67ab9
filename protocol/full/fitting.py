"""Texts that fit into the packets of the data channel."""

from collections.abc import Iterator

import orjson

from protocol.full.messages import MAX_EVENT_BYTES, MAX_EVENT_ID_CHARS

# Of a text as JSON. Ids and names take the rest: a command's id has at most four bytes
# a character, or six where it is escaped.
MAX_ENCODED_BYTES = MAX_EVENT_BYTES - 6 * MAX_EVENT_ID_CHARS - 512
_CUT = "…"


def pieces(text: str) -> Iterator[str]:
    """Yield ``text`` in pieces of which each fits into a packet, at least one."""
    while (size := _fitting(text)) < len(text):
        yield text[:size]
        text = text[size:]
    yield text


def shortened(text: str) -> str:
    """Return ``text`` if it fits into a packet, else its start and an ellipsis."""
    size = _fitting(text)
    return text if size == len(text) else text[: size - 1] + _CUT


def _fitting(text: str) -> int:
    """Return how many characters of ``text`` fit, from its start."""
    low, high = 0, min(len(text), MAX_ENCODED_BYTES)
    while low < high:
        middle = (low + high + 1) // 2
        if _encoded_bytes(text[:middle]) <= MAX_ENCODED_BYTES:
            low = middle
        else:
            high = middle - 1
    return low


def _encoded_bytes(text: str) -> int:
    return len(orjson.dumps(text))
