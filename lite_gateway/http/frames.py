"""
WebSocket frames whose content is dropped as it arrives if it is over a limit.

Kept whole, megabytes that are refused anyway would be copied three times on the event
loop, which runs nothing else meanwhile.
"""

from collections.abc import Generator
from typing import Any

from websockets.frames import Frame
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

UNREAD_BYTES = "unread_bytes"  # of a message that was too long, in place of its text
_NO_CONTROL_FRAME = 126  # bytes: the content of a control frame has at most 125


class Unkept(bytes):
    """Content that was dropped; only its length is known."""

    _length: int

    def __new__(cls, length: int) -> "Unkept":
        content = super().__new__(cls)
        content._length = length
        return content

    def __len__(self) -> int:
        return self._length


class DroppingReader(StreamReader):
    """Reader of a connection's bytes; ``missing`` is how many the parser waits for."""

    def __init__(self, keep_bytes: int) -> None:
        super().__init__()
        self._keep_bytes = keep_bytes
        self.missing = 0
        self.dropped = 0  # bytes of the frame that was read last

    def read_exact(self, n: int) -> Generator[None, None, bytearray]:
        """Return ``n`` bytes; of more than the limit only as many as make a frame."""
        if n <= self._keep_bytes:
            while len(self.buffer) < n and not self.eof:
                self.missing = n - len(self.buffer)
                yield
            self.missing = 0
            return (yield from super().read_exact(n))
        self.missing = n
        while self.missing:
            part = min(self.missing, len(self.buffer))
            del self.buffer[:part]
            self.missing -= part
            if self.missing and self.eof:
                raise EOFError(f"stream ends {self.missing} bytes before a frame does")
            if self.missing:
                yield
        self.dropped = n
        # The parser refuses a control frame of this size, as it would the whole one.
        return bytearray(_NO_CONTROL_FRAME)


class FrameProtocol(ServerProtocol):
    """Protocol of websockets that keeps no more than ``keep_bytes`` of a frame."""

    def __init__(self, keep_bytes: int, **options: Any) -> None:
        self._keep_bytes = keep_bytes
        super().__init__(**options)

    @property
    def missing(self) -> int:
        """Bytes that the frame that is being read lacks."""
        return self.frame_reader.missing

    @property
    def buffered(self) -> int:
        """Bytes that were received and are not part of a message yet."""
        return len(self.frame_reader.buffer)

    def parse(self) -> Generator[None, None, None]:
        # The constructor of websockets starts the parser, which keeps its reader.
        self.reader = self.frame_reader = DroppingReader(self._keep_bytes)
        return super().parse()

    def recv_frame(self, frame: Frame) -> None:
        if self.frame_reader.dropped:
            frame.data = Unkept(self.frame_reader.dropped)
            self.frame_reader.dropped = 0
        super().recv_frame(frame)
