"""Room without participants: takes audio and video on time and encodes neither."""

import time
from collections.abc import Callable

from lite_gateway.rooms.audio_queue import AudioQueue
from lite_gateway.rooms.events import RoomEvents
from renderer.frames import VideoFrame


class NullRoom:
    """
    Replacement of `LiveKitRoom`, to measure the cost before the encoder.

    It consumes audio in real time, so ``queued_s`` is as in a real room.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._queue = AudioQueue(now)

    async def open(self, url: str, token: str, events: RoomEvents) -> None:
        """Do nothing: there is no room to join."""

    @property
    def queued_s(self) -> float:
        """Submitted audio that has not been played yet, in seconds."""
        return self._queue.queued_s

    @property
    def unsent_s(self) -> float:
        """Submitted audio that `clear` would drop now, in seconds."""
        return self._queue.unsent_s

    async def send_video(self, frame: VideoFrame) -> None:
        """Drop the frame."""

    async def send_audio(self, pcm: bytes) -> None:
        """Queue the duration of s16le samples, 24 kHz, mono."""
        self._queue.add(pcm)

    def clear(self, fade: bytes = b"") -> None:
        """Replace the queue by ``fade``."""
        self._queue.clear()
        self._queue.add(fade)

    async def close(self) -> None:
        """Do nothing: there is no room to leave."""
