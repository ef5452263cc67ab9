"""
Network that finds 478 landmarks of a face: the attention mesh.

A first pass gives 468 points. Their lips and eyes say which parts of an early feature
map to look at again, turned upright, for more precise lips, eyes and irises.

Source of layers and weights: MediaPipe 0.10.21, ``face_landmark_with_attention``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from creation.vision.blocks import ResidualBlock, SameConv, residual_blocks
from creation.vision.rings import LEFT_EYE_POINTS, LIP_POINTS, RIGHT_EYE_POINTS

SIDE = 192  # pixels of the input
MESH = 468  # points of the first pass
_SCALE = 4  # pixels of the input in a cell of the early feature map
_CELLS = 16  # side of the part that a region sees
_MARGIN = 1.5  # size of that part, in sizes of the region


class FacePoints(NamedTuple):
    """Points of B faces, in pixels of the input; x right, y down, z to the back."""

    mesh: Tensor  # [B, 468, 3]
    lips: Tensor  # [B, 80, 2], LIP_POINTS
    right_eye: Tensor  # [B, 71, 2], RIGHT_EYE_POINTS
    right_iris: Tensor  # [B, 5, 2]: centre, then its rim in quarter turns
    left_eye: Tensor  # [B, 71, 2], LEFT_EYE_POINTS
    left_iris: Tensor  # [B, 5, 2]
    presence: Tensor  # [B] logit: whether there is a face


def _neck() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(128, 32, 1), nn.PReLU(32), ResidualBlock(32, 32, 1, nn.PReLU)
    )


class PointHead(nn.Module):
    """Layers that give ``count`` points in a part of the early feature map."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.blocks = residual_blocks(128, (128,) * 5, {2}, nn.PReLU)
        self.neck = _neck()
        self.points = nn.Conv2d(32, 2 * count, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[B, count, 2]``, in quarters of a cell."""
        points: Tensor = self.points(self.neck(self.blocks(x)))
        return points.reshape(len(x), -1, 2)


class Region(nn.Module):
    """
    Second look at one part of the face.

    ``indices`` are the points of the mesh that it surrounds, and ``across`` two points
    that lie on a horizontal line when the part is upright.
    """

    def __init__(
        self, indices: Sequence[int], across: tuple[int, int], counts: Sequence[int]
    ) -> None:
        super().__init__()
        self.indices, self.across = list(indices), across
        channels = (32, 32, 64, 64, 64, 128)
        self.trunk = residual_blocks(32, channels, {2, 5}, nn.PReLU)
        self.heads = nn.ModuleList(PointHead(count) for count in counts)

    def forward(self, early: Tensor, mesh: Tensor) -> list[Tensor]:
        """
        Return the points of each head, ``[B, count, 2]`` in pixels of the input.

        ``early`` is ``[B, 32, 48, 48]``, ``mesh`` ``[B, 468, 2]`` in its cells.
        """
        axes, origin = self._placement(mesh)
        features = self.trunk(_resampled(early, axes, origin))
        return [
            (head(features) @ axes.mT + _SCALE * origin[:, None]) for head in self.heads
        ]

    def _placement(self, mesh: Tensor) -> tuple[Tensor, Tensor]:
        """Return axes ``[B, 2, 2]`` (columns) and origin ``[B, 2]`` of the part."""
        first, last = (mesh[:, index] for index in self.across)
        along = F.normalize(last - first, dim=1)
        upright = torch.stack([along, along.flip(1) * along.new_tensor([-1, 1])], 2)
        points = mesh[:, self.indices] @ upright
        low, high = points.amin(1), points.amax(1)
        axes = upright * (_MARGIN / _CELLS * (high - low))[:, None]
        centre = ((low + high) / 2)[:, None] @ upright.mT
        return axes, centre[:, 0] - axes.sum(2) * (_CELLS / 2)


def _resampled(features: Tensor, axes: Tensor, origin: Tensor) -> Tensor:
    """Return the part ``[B, C, 16, 16]`` of a feature map, bilinear, 0 outside."""
    size = features.new_tensor([features.shape[3], features.shape[2]])
    middles = torch.arange(_CELLS) + 0.5
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    cells = torch.stack([x, y], -1).reshape(1, -1, 2)
    at = cells @ axes.mT + origin[:, None] - 0.5
    inside = ((at >= 0) & (at <= size - 1)).all(2).to(features.dtype)
    grid = (2 * at / (size - 1) - 1).reshape(-1, _CELLS, _CELLS, 2)
    sampled = F.grid_sample(features, grid, align_corners=True)
    return sampled * inside.reshape(-1, 1, _CELLS, _CELLS)


class Landmarker(nn.Module):
    """Mesh of the whole face, then lips and eyes again."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, 16, 3, 2), nn.PReLU(16))
        self.early = residual_blocks(16, (16, 16, 32), {2}, nn.PReLU)
        channels = (32, 32, *(64,) * 3, *(128,) * 9)
        self.late = residual_blocks(32, channels, {2, 5, 8, 11}, nn.PReLU)
        self.neck = _neck()
        self.mesh = nn.Conv2d(32, 3 * MESH, 3)
        self.presence = nn.Conv2d(32, 1, 3)
        self.lips = Region(LIP_POINTS, (61, 291), (80,))
        self.right_eye = Region(RIGHT_EYE_POINTS, (33, 133), (71, 5))
        self.left_eye = Region(LEFT_EYE_POINTS, (362, 263), (71, 5))

    def forward(self, pictures: Tensor) -> FacePoints:
        """Find the points in ``pictures`` ``[B, 3, 192, 192]`` with values 0..1."""
        early = self.early(self.stem(pictures))
        neck = self.neck(self.late(early))
        mesh = self.mesh(neck).reshape(-1, MESH, 3)
        cells = mesh[..., :2] / _SCALE
        [lips] = self.lips(early, cells)
        right_eye, right_iris = self.right_eye(early, cells)
        left_eye, left_iris = self.left_eye(early, cells)
        presence = self.presence(neck).reshape(-1)
        return FacePoints(
            mesh, lips, right_eye, right_iris, left_eye, left_iris, presence
        )
