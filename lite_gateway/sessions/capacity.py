"""
Capacity of this machine: the share of it that one session takes, by measurement.

A session takes a part of the render thread, and a part of all cores. The larger one of
the two is its share, as a part of what the machine can carry.
"""

import logging
import math
from collections.abc import Callable
from fractions import Fraction

from lite_gateway.sessions.session_config import SessionConfig
from lite_gateway.video_quality import VideoQuality

log = logging.getLogger(__name__)

# Parts of their time that the render thread and all cores may work: above them, frames
# come late, and other programs of the machine, such as a LiveKit server, have no time.
MAX_RENDER_BUSY = 0.80
MAX_CORES_BUSY = 0.85
# A frame takes longer with encoders beside it, which share caches and cores, than in
# the self-benchmark.
LOAD_FACTOR = 1.3
# Core time of a frame and its audio outside of the renderer, on a core of speed 1 (see
# `core_speed`): event loop, sending, Opus; and for each pixel: copy and H264. Measured
# with `python -m bench capacity`: 2.8 ms at 512x512, 4.3 at 720p, 6.8 at 1080p.
ROOM_S = 0.0025
ROOM_S_PER_PIXEL = 2.1e-9
# Part of a core of speed 1 that the agent process takes for a conversation: budget T7.
CONVERSATION_CORES = 0.12
_MIN_DRIVER_SHARE = 0.2  # of a frame's time: what is left when drawing takes none


# Time in which the rig of an avatar of that name draws one face, None: not known yet.
DrawTime = Callable[[str, VideoQuality], float | None]


class Capacity:
    """
    Shares of the machine that sessions take.

    The unit is a session of the avatar and quality that were measured. ``encodes`` is
    False for a room that encodes nothing.
    """

    def __init__(
        self,
        draw_time: DrawTime,
        *,
        fps: Fraction,
        cores: float,
        core_speed: float,
        quality: VideoQuality,
        encodes: bool,
    ) -> None:
        self._draw_time = draw_time
        self._fps = float(fps)
        self._cores = cores
        self._core_speed = core_speed
        self._quality = quality
        self._encodes = encodes
        self._avatar = ""
        self._frame_s = math.inf  # least time of all measurements

    def take(self, avatar: str, frame_s: float | None) -> None:
        """Take a measured time of a frame; the least of all stands. None: it failed."""
        if frame_s is None or frame_s >= self._frame_s:
            return
        self._avatar, self._frame_s = avatar, frame_s
        log.info(
            "capacity measured, sessions=%d of=%s frame_ms=%.2f cores=%.1f "
            "core_speed=%.2f",
            *(self.sessions, self.unit, 1000 * frame_s),
            *(self._cores, self._core_speed),
        )

    @property
    def measured(self) -> bool:
        return self._frame_s < math.inf

    @property
    def unit(self) -> str:
        """Avatar and size of the sessions that `sessions` counts."""
        return f"{self._avatar} {self._quality.name}"

    @property
    def sessions(self) -> int:
        """Sessions that the machine carries, at least 1."""
        return max(1, math.floor(1 / self.unit_share + 1e-9)) if self.measured else 1

    @property
    def unit_share(self) -> float:
        """Share of the machine that a session of `unit` takes; infinite until known."""
        return self._share(self._frame_s, self._quality)

    def share(self, config: SessionConfig) -> float:
        """Return the share of the machine that a session takes."""
        talks = config.conversation is not None
        return self._share(self._frame_time(config), config.quality, talks=talks)

    def _share(
        self, frame_s: float, quality: VideoQuality, *, talks: bool = False
    ) -> float:
        render_s = LOAD_FACTOR * frame_s
        room_s = ROOM_S + ROOM_S_PER_PIXEL * _pixels(quality) if self._encodes else 0
        room_s /= self._core_speed
        of_render_thread = render_s / MAX_RENDER_BUSY
        cores = self._fps * (render_s + room_s)
        if talks:
            cores += CONVERSATION_CORES / self._core_speed
        return max(self._fps * of_render_thread, cores / (MAX_CORES_BUSY * self._cores))

    def _frame_time(self, config: SessionConfig) -> float:
        """
        Return the time of a frame of a session.

        It differs from the measured one by the time to draw. Until the rig of that
        avatar and size is built, the square root of the pixels stands for it.
        """
        reference_s = self._draw_time(self._avatar, self._quality)
        draw_s = self._draw_time(config.avatar, config.quality)
        if draw_s is None or reference_s is None:
            pixels = _pixels(config.quality) / _pixels(self._quality)
            return self._frame_s * math.sqrt(pixels)
        least_s = _MIN_DRIVER_SHARE * self._frame_s
        return max(least_s, self._frame_s + draw_s - reference_s)


def _pixels(quality: VideoQuality) -> int:
    return quality.width * quality.height
