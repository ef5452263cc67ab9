"""
Network that finds faces: BlazeFace, the short-range model.

Source of layers and weights: MediaPipe 0.10.21, ``face_detection_short_range``.
"""

import torch
from torch import Tensor, nn

from creation.vision.blocks import SameConv, residual_blocks

SIDE = 128  # pixels of the input
_VALUES = 16  # centre, size, and six keypoints, in x and y


def _relu(_: int) -> nn.Module:
    return nn.ReLU()


class Detector(nn.Module):
    """Convolutions with 896 anchors: 2 at each of 16 x 16 cells, 6 at each of 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, 24, 5, 2), nn.ReLU())
        channels = (24, 28, 32, 36, 42, 48, 56, 64, 72, 80, 88)
        self.fine = residual_blocks(24, channels, {2, 5}, _relu)
        self.coarse = residual_blocks(88, (96,) * 5, {0}, _relu)
        self.fine_scores = nn.Conv2d(88, 2, 1)
        self.coarse_scores = nn.Conv2d(96, 6, 1)
        self.fine_boxes = nn.Conv2d(88, 2 * _VALUES, 1)
        self.coarse_boxes = nn.Conv2d(96, 6 * _VALUES, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return logits ``[B, 896]`` and values ``[B, 896, 16]`` of pictures.

        ``pictures`` is ``[B, 3, 128, 128]`` with values -1..1. The values are x and y
        of centre, size and six keypoints, in pixels; all but the size are relative to
        `anchors`. The keypoints are the eye on the left of the picture, the one on the
        right, the tip of the nose, the mouth, and the ears, left before right.
        """
        fine = self.fine(self.stem(pictures))
        coarse = self.coarse(fine)
        scores = (self.fine_scores(fine), self.coarse_scores(coarse))
        boxes = (self.fine_boxes(fine), self.coarse_boxes(coarse))
        return (
            torch.cat([_by_anchor(map_, 1) for map_ in scores], 1)[..., 0],
            torch.cat([_by_anchor(map_, _VALUES) for map_ in boxes], 1),
        )


def anchors() -> Tensor:
    """Return the centres of the anchors, ``[896, 2]`` in pixels of the input."""
    centres = []
    for cells, of_a_cell in ((16, 2), (8, 6)):
        middles = (torch.arange(cells) + 0.5) * (SIDE / cells)
        y, x = torch.meshgrid(middles, middles, indexing="ij")
        grid = torch.stack([x, y], -1).reshape(-1, 2)
        centres.append(grid.repeat_interleave(of_a_cell, 0))
    return torch.cat(centres)


def _by_anchor(values: Tensor, of_an_anchor: int) -> Tensor:
    """Turn ``[B, C, H, W]`` into ``[B, anchors, values of an anchor]``."""
    return values.permute(0, 2, 3, 1).reshape(len(values), -1, of_an_anchor)
