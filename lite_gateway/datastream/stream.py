"""One byte stream of speech, read to its end, however it ends."""

import asyncio
import logging
from collections.abc import AsyncIterator

from livekit import rtc

log = logging.getLogger(__name__)

QUIET_S = 0.1  # whoever sends nothing for so long has paused
IDLE_S = 10.0  # without a trailer: it was lost
SUPERSEDED_S = 0.25  # the same, when the same sender has opened another stream


class StreamReader:
    """``turn`` is the segment that it speaks, ``sender`` whose."""

    def __init__(self, turn: int, sender: str, reader: rtc.ByteStreamReader) -> None:
        self.turn = turn
        self.sender = sender
        self._reader = reader
        self._idle_s = IDLE_S
        self._waiting: asyncio.Timeout | None = None

    @property
    def attributes(self) -> dict[str, str]:
        return self._reader.info.attributes or {}

    def supersede(self) -> None:
        """The trailer should be here any moment; bytes before it may still come."""
        self._idle_s = SUPERSEDED_S
        if self._waiting is not None and not self._waiting.expired():
            soon_s = asyncio.get_running_loop().time() + SUPERSEDED_S
            self._waiting.reschedule(min(soon_s, self._waiting.when() or soon_s))

    async def pieces(self) -> AsyncIterator[bytes]:
        """Of any size, until the end; an empty one says that the sender has paused."""
        while True:
            piece = await self._within(min(QUIET_S, self._idle_s))
            if piece is None and self._idle_s > QUIET_S:
                yield b""
                piece = await self._within(self._idle_s - QUIET_S)
            if piece is None:
                log.warning("a stream ended without its trailer, turn=%d", self.turn)
                return
            if piece is _END:
                return
            yield piece

    async def _within(self, wait_s: float) -> bytes | None:
        try:
            async with asyncio.timeout(wait_s) as self._waiting:
                piece: bytes = await anext(self._reader, _END)
                return piece
        except TimeoutError:
            return None
        except ConnectionError as broken:  # the sender has dropped
            log.info("a stream broke off, turn=%d: %s", self.turn, broken)
            return _END
        finally:
            self._waiting = None

    def close(self) -> None:
        discard(self._reader)


_END = b"the end"  # compared by identity


def discard(reader: rtc.ByteStreamReader) -> None:
    """Whoever stops to read must say so, or the SDK collects for ever."""
    reader.close()
