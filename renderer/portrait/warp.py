"""
Image warping: images are resampled so that their content follows the surface.

The cells of an image tell where its content has moved to.  Drawing needs the inverse:
the position in the image that a pixel shows.  A fixed-point iteration finds it on a
coarse mesh.  It converges for every face, because the slope of the moves is limited:
more steps, another order of additions or another compiler give the same pixels.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from renderer.portrait.mesh_parts import RIGID_CHANNELS, MeshParts
from renderer.portrait.model import Surface
from renderer.portrait.planes import Planes
from renderer.portrait.slopes import SlopeLimit
from renderer.portrait.texture_parts import TextureParts

# After the first step the error is at most the longest move.  Each one leaves at most
# 0.7 of it (twice `MAX_SLOPE`), so these leave 0.3 %, and 0.001 % of what is usual.
_ITERATIONS = 16


class PixelGrid:
    """Rectangle of the base image in the coordinates of `grid_sample`."""

    def __init__(
        self, left: float, top: float, width: float, height: float,
        device: torch.device,
    ) -> None:  # fmt: skip
        scale = torch.tensor([2 / width, 2 / height])
        corner = torch.tensor([left, top])
        self.scale = scale.view(2, 1, 1).to(device)
        self.shift = (-corner * scale - 1).view(2, 1, 1).to(device)

    def normalise(self, points: Tensor) -> Tensor:
        """Return base-image pixels ``[..., 2, h, w]`` as coordinates -1..1."""
        return torch.addcmul(self.shift, points, self.scale)


@dataclass(frozen=True, slots=True)
class Motion:
    """State of a surface in each frame of a batch."""

    vertices: Tensor  # [B, V, 2]: base-image pixels, with the head held still
    rotation: Tensor  # [B, 3, 3]: of the head, minus the identity
    breath: Tensor  # [B]: 0 breathed out .. 1 breathed in

    def repeat(self, count: int) -> "Motion":
        """Return a batch in which every frame occurs ``count`` times in a row."""
        return Motion(
            self.vertices.repeat_interleave(count, 0),
            self.rotation.repeat_interleave(count, 0),
            self.breath.repeat_interleave(count, 0),
        )


class Mesh:
    """Motion of the images of one box, evaluated at the nodes of a coarse grid."""

    def __init__(
        self, parts: MeshParts, surface: Surface, device: torch.device
    ) -> None:
        """Take over prepared parts; ``surface`` is on ``device``."""

        def tensor(array: Any) -> Tensor:
            return torch.from_numpy(array).to(device)

        rows, columns = parts.shape
        size = columns * parts.cell_size, rows * parts.cell_size
        self.pixel_grid = PixelGrid(*parts.corner, *size, device)
        self.centres, self.nodes = tensor(parts.centres), tensor(parts.nodes)
        self.triangles = tensor(parts.triangles)
        self.barycentric = tensor(parts.barycentric)
        self.rigid = tensor(parts.rigid)
        self._slope_limit = SlopeLimit(parts.cell_size, tensor(parts.hidden))
        self._node_grid = self.pixel_grid.normalise(self.nodes)
        self._projection = surface.camera[:, :3]
        self._breath_clip = (self._projection @ surface.breath_offset)[:, None]

    def _interpolate(self, values: Tensor, image_ids: Tensor) -> Tensor:
        """Return vertex values ``[B, V, C]`` at cells ``[B, C, rows, columns]``."""
        batch, count, channels = values.shape
        first = torch.arange(batch, device=values.device, dtype=torch.int32) * count
        vertices = self._select(self.triangles, image_ids) + first[:, None, None]
        weights = self._select(self.barycentric, image_ids)
        cells = F.embedding_bag(
            vertices.flatten(0, 1),
            values.reshape(-1, channels),
            per_sample_weights=weights.flatten(0, 1),
            mode="sum",
        )
        cells = cells.view(batch, -1, channels).transpose(1, 2).contiguous()
        return cells.view(batch, channels, *self.centres.shape[1:])

    def _select(self, per_image: Tensor, image_ids: Tensor) -> Tensor:
        """Return the rows ``image_ids``; a single image is expanded, not copied."""
        if len(per_image) == 1:
            return per_image.expand(len(image_ids), *per_image.shape[1:])
        return per_image[image_ids]

    def displacements(self, motion: Motion, image_ids: Tensor) -> Tensor:
        """
        Return each cell's move ``[B, 2, rows, columns]`` in base-image pixels.

        It is that of the surface, limited in its slope.
        """
        expression = self._interpolate(motion.vertices, image_ids) - self.centres
        rigid = self._select(self.rigid, image_ids)
        arm, clip, head_weight, breath_weight, pixel = rigid.split_with_sizes(
            RIGID_CHANNELS, 1
        )
        rotated = (self._projection @ motion.rotation) @ arm
        clip = torch.addcmul(clip, rotated, head_weight)
        clip = torch.addcmul(
            clip, breath_weight, motion.breath[:, None, None] * self._breath_clip
        )
        rigid_move = clip[:, :2] / clip[:, 2:] - pixel
        moves = expression.add_(rigid_move.view_as(expression))
        limited: Tensor = self._slope_limit.apply(moves)
        return limited

    def source_positions(self, motion: Motion, image_ids: Tensor) -> Tensor:
        """
        Return the image position that each node shows: ``[B, 2, h, w]``.

        Positions are in base-image pixels. ``image_ids`` ``[B]`` selects the images.
        """
        moves = self.displacements(motion, image_ids)
        scaled = moves * self.pixel_grid.scale
        grid = self._node_grid.expand(len(image_ids), *self._node_grid.shape)
        for _ in range(_ITERATIONS - 1):
            grid = self._node_grid - _sample(scaled, grid)
        return self.nodes - _sample(moves, grid)


class Textures:
    """Images of one size and position, sampled at the nodes of a box."""

    def __init__(self, parts: TextureParts, device: torch.device) -> None:
        # All images form one column, so that selecting an image is only an offset.
        count, _, width = self.image_shape = parts.shape
        luma = torch.from_numpy(parts.luma).view(1, -1, width)
        chroma = torch.from_numpy(parts.chroma).view(1, 2, -1, width // 2)
        self.planes = Planes(luma.to(device).float(), chroma.to(device).float())
        columns, rows = parts.sides
        self.pixel_grid = PixelGrid(*parts.corner, columns, rows * count, device)
        self._image_offset = torch.tensor([0, 2 / count], device=device).view(2, 1, 1)

    def sample(self, positions: Tensor, image_ids: Tensor, step: int) -> Planes:
        """
        Return the images ``image_ids`` ``[B]`` as seen at ``positions``.

        ``positions``: from `Mesh.source_positions`, for nodes every ``step`` frame
        pixels and one node of margin on each side.
        """
        grid = (
            self.pixel_grid.normalise(positions)
            + image_ids[:, None, None, None] * self._image_offset
        )
        luma = self._within_images(upsample(grid, step), image_ids, 1)
        chroma = self._within_images(upsample(grid, step // 2), image_ids, 2)
        y = _sample(self.planes.y[:, None], luma)[:, 0]
        return Planes(y, _sample(self.planes.uv, chroma))

    def _within_images(self, grid: Tensor, image_ids: Tensor, texel: int) -> Tensor:
        """
        Limit ``grid`` to the rows of its images, so that none shows the next one's.

        ``texel``: luma pixels per pixel of the plane, down.
        """
        count, rows, _ = self.image_shape
        if count > 1:
            top = image_ids[:, None, None] * (2 / count) - 1
            middle = texel / (rows * count)  # from an edge to the first pixel's centre
            y = grid[:, 1]
            torch.clamp(y, top + middle, top + (2 / count - middle), out=y)
        return grid


def upsample(coarse: Tensor, step: int) -> Tensor:
    """
    Return values at nodes interpolated to pixels, without the margin of one node.

    ``[B, C, h, w]`` -> ``[B, C, (h - 2) * step, (w - 2) * step]``
    """
    if step == 1:
        return coarse[..., 1:-1, 1:-1]
    fine = F.interpolate(
        coarse, scale_factor=step, mode="bilinear", align_corners=False
    )
    return fine[..., step:-step, step:-step]


def _sample(images: Tensor, grid: Tensor) -> Tensor:
    """
    Return images ``[B, C, H, W]`` sampled at ``grid`` ``[B, 2, h, w]``, -1..1.

    A single image is sampled at the positions of the whole batch.
    """
    images = images.expand(len(grid), *images.shape[1:])
    return F.grid_sample(
        images, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
    )
