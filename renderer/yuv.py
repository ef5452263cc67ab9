"""
Images as luma and chroma planes: luma at full size, chroma at half.

The matrix is BT.601 in limited range, which WebRTC assumes: Y 16..235, U and V 16..240.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Rows give Y, U and V from R, G and B in 0..1.
_FROM_RGB = (
    (65.481, 128.553, 24.966),
    (-37.797, -74.203, 112.0),
    (112.0, -93.786, -18.214),
)
_OFFSET = (16.0, 128.0, 128.0)


@dataclass(frozen=True, slots=True)
class Box:
    """Rectangle of pixels. All four are even, so chroma has the same edges."""

    left: int
    top: int
    width: int
    height: int

    def luma(self, plane: Tensor) -> Tensor:
        """Return this box of a full-size plane ``[..., H, W]``, as a view."""
        return plane[
            ...,
            self.top : self.top + self.height,
            self.left : self.left + self.width,
        ]

    def chroma(self, plane: Tensor) -> Tensor:
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


@dataclass(frozen=True, slots=True)
class Planes:
    """Batch of images as YCbCr values, float32."""

    y: Tensor  # [B, H, W]
    uv: Tensor  # [B, 2, H/2, W/2]

    def view(self, box: Box) -> "Planes":
        """Return the part in ``box``; it shares memory with this."""
        return Planes(box.luma(self.y), box.chroma(self.uv))

    def to(self, device: torch.device) -> "Planes":
        """Return these planes on ``device``."""
        return Planes(self.y.to(device), self.uv.to(device))


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """Convert RGB 0..1 ``[..., 3]`` to YCbCr ``[..., 3]``."""
    matrix = torch.tensor(_FROM_RGB, dtype=rgb.dtype, device=rgb.device)
    return rgb @ matrix.T + torch.tensor(_OFFSET, dtype=rgb.dtype, device=rgb.device)


def rgb_to_planes(rgb: Tensor) -> Planes:
    """Convert RGB 0..1 ``[B, 3, H, W]`` to `Planes`. H and W must be even."""
    ycc = rgb_to_ycbcr(rgb.movedim(1, -1)).movedim(-1, 1)
    return Planes(ycc[:, 0], F.avg_pool2d(ycc[:, 1:], 2))


class Canvas:
    """Static background in I420, into which moving regions are pasted."""

    def __init__(self, background: Planes) -> None:
        """Store ``background``, a single image: ``B`` = 1."""
        _, self.height, self.width = background.y.shape
        self._luma = self.width * self.height
        flat = torch.cat([background.y.flatten(), background.uv.flatten()])
        self.i420 = _to_bytes(flat)[None]  # [1, W*H*3//2] uint8

    def paste(self, region: Planes, box: Box) -> Tensor:
        """Return the background with ``region`` at ``box``: ``[B, W*H*3//2]`` uint8."""
        batch = region.y.shape[0]
        out = self.i420.repeat(batch, 1)
        luma = out[:, : self._luma].view(batch, self.height, self.width)
        chroma = out[:, self._luma :].view(batch, 2, self.height // 2, self.width // 2)
        box.luma(luma).copy_(_to_bytes(region.y))
        box.chroma(chroma).copy_(_to_bytes(region.uv))
        return out


def _to_bytes(plane: Tensor) -> Tensor:
    return (plane + 0.5).clamp_(0, 255).to(torch.uint8)
