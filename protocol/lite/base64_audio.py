"""
Base64 of audio, as clients write it.

The fast path reads standard base64. If that fails, the text is read once more without
ASCII white space, with the URL-safe alphabet, and without the prefix of a data URL.
"""

import binascii

import pybase64

from protocol.errors import quoted
from protocol.lite.messages import MAX_PCM_BYTES, SAMPLE_RATE

_WHITESPACE = b" \t\r\n\f\v"
_IGNORED = _WHITESPACE.decode() + ","  # a comma ends the prefix of a data URL
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_PCM_TYPES = ("", "audio/pcm", "audio/l16", "audio/raw", "application/octet-stream")


class AudioTooLong(Exception):
    """Base64 of more than `MAX_PCM_BYTES`; ``size`` is the number of bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def decode_audio(text: str) -> bytes:
    """
    Return the bytes in base64 ``text``, with or without padding.

    Raise `AudioTooLong`, or `ValueError` with the reason for the client.
    """
    pcm = decode_standard(text)
    if pcm is not None:
        return checked_size(pcm)
    if _size(text) > MAX_PCM_BYTES and not any(map(text.__contains__, _IGNORED)):
        raise AudioTooLong(_size(text))  # `_compact` would take 2 ms
    compact = _compact(text)
    size = len(compact) * 3 // 4
    if size > MAX_PCM_BYTES:
        raise AudioTooLong(size)
    try:
        return pybase64.b64decode(compact + b"=" * (-len(compact) % 4), validate=True)
    except binascii.Error as exc:
        raise ValueError(str(exc)) from None


def decode_standard(text: str) -> bytes | None:
    """Return the bytes in standard base64, padded or not; None for other text."""
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:  # binascii.Error is one, too
        return None


def checked_size(pcm: bytes) -> bytes:
    """Return ``pcm``; raise `AudioTooLong` for more than `MAX_PCM_BYTES`."""
    if len(pcm) > MAX_PCM_BYTES:
        raise AudioTooLong(len(pcm))
    return pcm


def _size(text: str) -> int:
    tail = text[-4:]
    padding = len(tail) - len(tail.rstrip("="))
    if padding == len(tail):  # it has more than padding
        return len(text.rstrip("=")) * 3 // 4
    return (len(text) - padding) * 3 // 4


def _compact(text: str) -> bytes:
    """Return ``text`` in the standard alphabet, without padding and white space."""
    if text[:5].lower() == "data:":
        text = _data_url_content(text)
    if not text.isascii():
        raise ValueError("it has characters that are not ASCII")
    return text.encode().translate(_TO_STANDARD, delete=_WHITESPACE).rstrip(b"=")


def _data_url_content(text: str) -> str:
    head, comma, content = text[:200].partition(",")
    media_type, *parameters = head[5:].lower().replace(" ", "").split(";")
    rates = [p for p in parameters if p.startswith("rate=")]
    if not comma or "base64" not in parameters:
        raise ValueError("a data URL must hold ';base64,' and then the audio")
    if media_type not in _PCM_TYPES or rates not in ([], [f"rate={SAMPLE_RATE}"]):
        raise ValueError(
            f"a data URL of {quoted(head[5:])}; only audio/pcm at {SAMPLE_RATE} Hz "
            "can be played"
        )
    return content + text[200:]
