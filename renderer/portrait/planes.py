"""Planes of images as tensors, for the rig that draws with torch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from renderer.yuv import Box


@dataclass(frozen=True, slots=True)
class Planes:
    """Batch of images as YCbCr values, float32."""

    y: Tensor  # [B, H, W]
    uv: Tensor  # [B, 2, H/2, W/2]

    def view(self, box: Box) -> "Planes":
        """Return the part in ``box``; it shares memory with this."""
        return Planes(box.luma(self.y), box.chroma(self.uv))


class Canvas:
    """Static background in I420, into which moving regions are pasted."""

    def __init__(self, i420: Tensor, width: int, height: int) -> None:
        """Store the background, ``[W*H*3//2]`` uint8."""
        self.width, self.height = width, height
        self._luma = width * height
        self._i420 = i420[None]

    def paste(self, region: Planes, box: Box) -> Tensor:
        """Return the background with ``region`` at ``box``: ``[B, W*H*3//2]`` uint8."""
        batch = region.y.shape[0]
        out = self._i420.repeat(batch, 1)
        luma = out[:, : self._luma].view(batch, self.height, self.width)
        chroma = out[:, self._luma :].view(batch, 2, self.height // 2, self.width // 2)
        box.luma(luma).copy_(_to_bytes(region.y))
        box.chroma(chroma).copy_(_to_bytes(region.uv))
        return out


def _to_bytes(plane: Tensor) -> Tensor:
    return (plane + 0.5).clamp_(0, 255).to(torch.uint8)
