"""
Reader of one byte stream of speech.

A stream may pause: an agent waits for a tool, or its text-to-speech stalls. Its segment
stays open until the trailer, for `MAX_PAUSE_S` at most, because LiveKit may lose a
trailer when a connection is lost.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from livekit import rtc

from lite_gateway.foreign.text import foreign_text
from protocol.datastream.names import MAX_PAUSE_S

log = logging.getLogger(__name__)

PAUSE_S = 0.1  # a sender that sends nothing for so long has paused
# The wait for data is shorter once the sender has opened another stream: it has sent
# the trailer before.
SUPERSEDED_TRAILER_S = 0.25

_END = b"the end"  # compared by identity


class StreamBroken(Exception):
    """The stream ended without its trailer: the SDK says why."""


class StreamReader:
    """Byte stream of ``sender``, spoken as segment ``turn``."""

    def __init__(self, turn: int, sender: str, reader: rtc.ByteStreamReader) -> None:
        self.turn = turn
        self.sender = sender
        self._reader = reader
        self._trailer_s = MAX_PAUSE_S
        self._waiting: asyncio.Timeout | None = None

    @property
    def attributes(self) -> dict[str, str]:
        return self._reader.info.attributes or {}

    def expect_end_soon(self) -> None:
        """Shorten the wait for the trailer; data that is on its way is still read."""
        self._trailer_s = SUPERSEDED_TRAILER_S
        if self._waiting is not None and not self._waiting.expired():
            soon_s = asyncio.get_running_loop().time() + SUPERSEDED_TRAILER_S
            self._waiting.reschedule(min(soon_s, self._waiting.when() or soon_s))

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield chunks until the end, and an empty one when the sender pauses.

        Raise `StreamBroken` if the SDK gives the stream up: the sender has left, has
        aborted it, or has sent chunks that the SDK cannot put in order.
        """
        while True:
            chunk = await self._read(min(PAUSE_S, self._trailer_s))
            if chunk is None and self._trailer_s > PAUSE_S:
                yield b""
                chunk = await self._read(self._trailer_s - PAUSE_S)
            if chunk is None:
                log.warning("a stream ended without its trailer, turn=%d", self.turn)
                return
            if chunk is _END:
                return
            yield chunk

    async def _read(self, timeout_s: float) -> bytes | None:
        """Return the next chunk, `_END`, or None after ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s) as self._waiting:
                chunk: bytes = await anext(self._reader, _END)
                return chunk
        except TimeoutError:
            return None
        except Exception as error:  # boundary: whatever the SDK raises
            raise StreamBroken(foreign_text(error)) from None
        finally:
            self._waiting = None

    def close(self) -> None:
        discard(self._reader)


def discard(reader: rtc.ByteStreamReader) -> None:
    """Stop reading; otherwise the SDK goes on to collect the stream's data."""
    reader.close()
