"""
Images as luma and chroma planes: luma at full size, chroma at half.

The matrix is BT.601 in limited range, which WebRTC assumes: Y 16..235, U and V 16..240.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# Rows give Y, U and V from R, G and B in 0..1.
_FROM_RGB = np.array(
    [
        (65.481, 128.553, 24.966),
        (-37.797, -74.203, 112.0),
        (112.0, -93.786, -18.214),
    ],
    np.float32,
)
_OFFSET = np.array([16.0, 128.0, 128.0], np.float32)


@dataclass(frozen=True, slots=True)
class Box:
    """Rectangle of pixels. All four are even, so chroma has the same edges."""

    left: int
    top: int
    width: int
    height: int

    def luma(self, plane: Any) -> Any:
        """
        Return this box of a full-size plane ``[..., H, W]``, as a view.

        A plane is an array or a tensor.
        """
        return plane[
            ...,
            self.top : self.top + self.height,
            self.left : self.left + self.width,
        ]

    def chroma(self, plane: Any) -> Any:
        """Return this box of a half-size plane ``[..., H/2, W/2]``, as a view."""
        return self._halved().luma(plane)

    def relative_to(self, outer: "Box") -> "Box":
        """Return the same pixels in coordinates of ``outer``."""
        return Box(
            self.left - outer.left, self.top - outer.top, self.width, self.height
        )

    def _halved(self) -> "Box":
        return Box(self.left // 2, self.top // 2, self.width // 2, self.height // 2)


def even_box(
    left: float, top: float, right: float, bottom: float, width: int, height: int
) -> Box:
    """Return the smallest `Box` around these edges, clipped to the image size."""
    x0 = max(0, int(left) // 2 * 2)
    y0 = max(0, int(top) // 2 * 2)
    x1 = min(width, -(-int(right + 1) // 2) * 2)
    y1 = min(height, -(-int(bottom + 1) // 2) * 2)
    return Box(x0, y0, x1 - x0, y1 - y0)


def rgb_to_planes(rgb: Floats) -> tuple[Floats, Floats]:
    """
    Convert RGB 0..1 ``[3, H, W]`` to luma ``[H, W]`` and chroma ``[2, H/2, W/2]``.

    H and W must be even.
    """
    _, height, width = rgb.shape
    halved = rgb.reshape(3, height // 2, 2, width // 2, 2)
    small: Floats = (
        halved[:, :, 0, :, 0] + halved[:, :, 0, :, 1]
        + halved[:, :, 1, :, 0] + halved[:, :, 1, :, 1]
    ) * np.float32(1 / 4)  # fmt: skip
    return _channel(rgb, 0), np.stack([_channel(small, 1), _channel(small, 2)])


def _channel(rgb: Floats, number: int) -> Floats:
    red, green, blue = _FROM_RGB[number]
    values: Floats = red * rgb[0] + green * rgb[1] + blue * rgb[2] + _OFFSET[number]
    return values


def i420_to_rgb(i420: npt.NDArray[np.uint8], width: int, height: int) -> Floats:
    """Convert one image ``[W*H*3//2]`` to RGB 0..1 ``[H, W, 3]``."""
    values = i420.astype(np.float32)
    luma = width * height
    y = values[:luma].reshape(height, width)
    uv = values[luma:].reshape(2, height // 2, width // 2)
    uv = uv.repeat(2, 1).repeat(2, 2)
    ycc = np.stack([y, *uv], -1) - _OFFSET
    rgb: Floats = (ycc @ np.linalg.inv(_FROM_RGB).T).clip(0, 1)
    return rgb


def to_codes(values: Floats) -> npt.NDArray[np.uint8]:
    """Return values of a plane as bytes, rounded."""
    return (values + 0.5).clip(0, 255).astype(np.uint8)
