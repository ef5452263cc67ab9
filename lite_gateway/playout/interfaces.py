"""Interfaces of playout to its neighbours: renderer, room and playback listener."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from lite_gateway.playout.gaps import Gaps
from renderer.frames import FrameRequest, VideoFrame

# Renders one frame of one session; raises `RenderFailed` if it cannot.
Render = Callable[[FrameRequest], Awaitable[VideoFrame]]


class Room(Protocol):
    """Output of one session: takes video frames and PCM (s16le, 24 kHz, mono)."""

    @property
    def queued_s(self) -> float:
        """Submitted audio that the listener has not heard yet, in seconds."""
        ...

    @property
    def unsent_s(self) -> float:
        """Submitted audio that `clear` would drop now, in seconds."""
        ...

    async def send_video(self, frame: VideoFrame) -> None: ...

    async def send_audio(self, pcm: bytes) -> None: ...

    def clear(self, fade: bytes = b"") -> None:
        """Drop the submitted audio that is unsent, and submit ``fade`` in this call."""
        ...


class PlaybackListener(Protocol):
    """Receiver of the events of each turn; every call returns at once."""

    def started(self, turn: int) -> None:
        """Report that the first audio and the first frame were sent."""
        ...

    def finished(self, turn: int) -> None:
        """Report that the listener heard the whole turn."""
        ...

    def gaps(self, turn: int, gaps: Gaps) -> None:
        """Report that the listener heard gaps in a turn, before its `finished`."""
        ...

    def long_underrun(self, turn: int) -> None:
        """Report that an open turn has had no audio to play for 0.5 s."""
        ...

    def missing_end(self, turn: int) -> None:
        """Report that an open turn received no audio for ``missing_end_s``."""
        ...

    def frame_rate_changed(self, *, reduced: bool) -> None:
        """Report that the video has half its frame rate, or all of it again."""
        ...
