"""
Buffer of bytes that are appended at its end and freed at its start.

It holds ten minutes of audio, 28 MB. In one bytearray an append after a free would copy
all of them at once, for up to 20 ms.
"""

from collections import deque

BLOCK_BYTES = 1 << 15


class PcmBuffer:
    """Bytes in blocks; positions are counted from the first byte ever appended."""

    def __init__(self) -> None:
        self._blocks: deque[bytearray] = deque()  # full, but for the last one
        self._first = 0  # position of the first block
        self.start = 0  # bytes before it are freed
        self.end = 0

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        rest = memoryview(data)
        while rest:
            if not self._blocks or len(self._blocks[-1]) == BLOCK_BYTES:
                self._blocks.append(bytearray())
            block = self._blocks[-1]
            part = rest[: BLOCK_BYTES - len(block)]
            block += part
            rest = rest[len(part) :]
        self.end += len(data)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` to before ``stop``, as far as they are."""
        start, stop = max(start, self.start), min(stop, self.end)
        parts = []
        while start < stop:
            index, offset = divmod(start - self._first, BLOCK_BYTES)
            part = self._blocks[index][offset : offset + stop - start]
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def free(self, before: int) -> None:
        """Forget the bytes before a position; memory is freed by whole blocks."""
        self.start = max(self.start, min(before, self.end))
        while self._blocks and self._first + BLOCK_BYTES <= self.start:
            self._blocks.popleft()
            self._first += BLOCK_BYTES

    @property
    def kept_bytes(self) -> int:
        """Bytes of memory that the blocks hold."""
        return sum(map(len, self._blocks))
