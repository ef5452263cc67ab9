"""
Frames on the stream between the gateway and its agent process.

A frame is a header of 13 bytes, big-endian, and a payload: length of the payload (4),
kind of the message (1), number of the conversation (4), number of the turn (4). Numbers
that do not apply are 0.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_PAYLOAD = 1 << 20  # bytes: 20 s of audio, and far more than a context
_HEADER = struct.Struct(">IBII")


class BrokenFrame(Exception):
    """The stream cannot be read from here on; the text says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: PCM as it is, everything else as JSON."""

    kind: int  # 0 to 255
    conversation: int = 0
    turn: int = 0
    payload: bytes = field(default=b"", repr=False)  # settings hold secrets


def pack(frame: Frame) -> bytes:
    """Return the bytes of a frame; `BrokenFrame` if its payload is too long."""
    size = len(frame.payload)
    if size > MAX_PAYLOAD:
        raise BrokenFrame(f"a payload has {size} bytes; at most {MAX_PAYLOAD} fit")
    header = _HEADER.pack(size, frame.kind, frame.conversation, frame.turn)
    return header + frame.payload


class FrameReader:
    """Reader of frames out of pieces of any size."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """
        Yield the frames that are complete with ``data``.

        Raise `BrokenFrame` if a header announces more than a payload may have.
        """
        self._bytes += data
        start = 0
        try:
            while len(self._bytes) - start >= _HEADER.size:
                size, kind, conversation, turn = _HEADER.unpack_from(self._bytes, start)
                if size > MAX_PAYLOAD:
                    raise BrokenFrame(f"a header announces {size} bytes")
                end = start + _HEADER.size + size
                if len(self._bytes) < end:
                    break
                payload = bytes(self._bytes[start + _HEADER.size : end])
                start = end
                yield Frame(kind, conversation, turn, payload)
        finally:
            del self._bytes[:start]
