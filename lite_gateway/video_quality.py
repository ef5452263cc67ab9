"""Picture sizes and what they cost on the wire."""

import re
from dataclasses import dataclass

from lite_gateway.errors import Refused


@dataclass(frozen=True, slots=True)
class VideoQuality:
    width: int
    height: int
    bitrate: int  # bits a second

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}"


QUALITIES = {  # sides in whole blocks: encoders cut what is left over
    "very_high": VideoQuality(1920, 1080, 4_500_000),
    "high": VideoQuality(1280, 720, 2_500_000),
    "medium": VideoQuality(848, 480, 1_400_000),
    "low": VideoQuality(640, 360, 900_000),
}
DEFAULT = "high"
_BITS_A_PIXEL = 5.7  # a second, at 25 frames: 1.5 Mbit/s for 512x512
_SMALLEST, _LARGEST = 128, 1920


def parse_quality(name: str) -> VideoQuality:
    """A quality by the service's name for it, or our own ``WIDTHxHEIGHT``."""
    if known := QUALITIES.get(name):
        return known
    if size := re.fullmatch(r"(\d{3,4})x(\d{3,4})", name):
        width, height = int(size[1]), int(size[2])
        inside = all(_SMALLEST <= side <= _LARGEST for side in (width, height))
        if inside and width % 2 == height % 2 == 0:
            return VideoQuality(width, height, round(width * height * _BITS_A_PIXEL))
    raise Refused(
        422,
        f"quality {name[:20]!r} is not known; one of {', '.join(QUALITIES)}, or "
        f"WIDTHxHEIGHT with even sides of {_SMALLEST} to {_LARGEST}",
    )
