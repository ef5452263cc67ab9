"""Video qualities: size of the frames and bitrate."""

import re
from dataclasses import dataclass

from lite_gateway.errors import Refused


@dataclass(frozen=True, slots=True)
class VideoQuality:
    """Size of the video in pixels, and its bitrate."""

    width: int
    height: int
    bitrate: int  # bits per second

    @property
    def name(self) -> str:
        """Size as ``WIDTHxHEIGHT``."""
        return f"{self.width}x{self.height}"


# Sides are whole blocks of 8 pixels, because encoders crop the rest.
QUALITIES = {
    "very_high": VideoQuality(1920, 1080, 4_500_000),
    "high": VideoQuality(1280, 720, 2_500_000),
    "medium": VideoQuality(848, 480, 1_400_000),
    "low": VideoQuality(640, 360, 900_000),
}
DEFAULT = "high"
_BITS_PER_PIXEL_S = 5.7  # at 25 fps: 1.5 Mbit/s for 512x512
_MIN_SIDE, _MAX_SIDE = 128, 1920


def parse_quality(name: str) -> VideoQuality:
    """Return the quality of a name of LiveAvatar, or of ``WIDTHxHEIGHT``."""
    if known := QUALITIES.get(name):
        return known
    if size := re.fullmatch(r"(\d{3,4})x(\d{3,4})", name):
        width, height = int(size[1]), int(size[2])
        inside = all(_MIN_SIDE <= side <= _MAX_SIDE for side in (width, height))
        if inside and width % 2 == height % 2 == 0:
            return VideoQuality(
                width, height, round(width * height * _BITS_PER_PIXEL_S)
            )
    raise Refused(
        422,
        f"unknown quality {name[:20]!r}. Use {', '.join(QUALITIES)}, or WIDTHxHEIGHT "
        f"with even sides of {_MIN_SIDE} to {_MAX_SIDE}",
    )


# Of the rig that is built and the frames that are drawn before the first session.
WARM_QUALITY = parse_quality("512x512")
