"""A room that nobody is in: takes picture and voice on time, and encodes neither."""

import time
from collections.abc import Callable

from lite_gateway.rooms.events import RoomEvents
from protocol.lite.messages import SAMPLE_RATE
from renderer.frames import VideoFrame


class NullRoom:
    """
    In the place of `LiveKitRoom`, to measure what is spent before the encoder.

    Sound is heard at its own rate by nobody: ``queued_s`` is what is left of it.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._dry_s = 0.0  # when all sound will have been heard

    async def open(self, url: str, token: str, events: RoomEvents) -> None:
        """Joins nothing."""

    @property
    def queued_s(self) -> float:
        return max(0.0, self._dry_s - self._now())

    async def send_video(self, frame: VideoFrame) -> None:
        """Seen by nobody."""

    async def send_audio(self, pcm: bytes) -> None:
        self._dry_s = max(self._dry_s, self._now()) + len(pcm) / 2 / SAMPLE_RATE

    def clear(self) -> None:
        self._dry_s = self._now()

    async def close(self) -> None:
        """Leaves nothing."""
