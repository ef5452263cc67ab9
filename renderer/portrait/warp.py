"""
Image warping: images are resampled so that their content follows the surface.

The cells of an image tell where its content has moved to.  Drawing needs the inverse:
the position in the image that a pixel shows.  A fixed-point iteration finds it on a
coarse mesh.  It converges for every face, because the slope of the moves is limited:
more steps, another order of additions or another compiler give the same pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from renderer.portrait.model import Cells, Surface
from renderer.portrait.slopes import SlopeLimit
from renderer.yuv import Box, Planes, rgb_to_planes

# After the first step the error is at most the longest move.  Each one leaves at most
# 0.7 of it (twice `MAX_SLOPE`), so these leave 0.3 %, and 0.001 % of what is usual.
_ITERATIONS = 16
_SMOOTHING_PX = 20.0  # base-image pixels over which rigid motion is smoothed
# Channels of `Mesh.rigid`: position from the pivot, homogeneous pixel, head weight,
# breath weight, pixel.
RIGID_CHANNELS = (3, 3, 1, 1, 2)
# Texture pixels per frame pixel, if the image has as many.
_MAX_OVERSAMPLING = 1.5


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
        self, surface: Surface, cells: Cells, weights: Tensor,
        corner: tuple[float, float], nodes: Tensor,
        hidden: Sequence[tuple[float, float, float, float]] = (),
    ) -> None:  # fmt: skip
        """
        Prepare the ``K`` images that ``cells`` belong to.

        ``weights`` ``[K, U]``: unit weights that each image shows; ``corner``: left
        top corner of all images; ``nodes`` ``[2, h, w]``: positions to evaluate;
        ``hidden``: left, top, right and bottom of parts of the images that no pixel
        shows.  All are in base-image pixels.
        """
        device = nodes.device
        rows, columns = cells.triangles.shape[-3:-1]
        left, top = corner
        self.vertex_count = len(surface.neutral)
        self.corner, self.cell_size = corner, cells.step
        size = columns * cells.step, rows * cells.step
        self.pixel_grid = PixelGrid(left, top, *size, device)
        x = (torch.arange(columns) + 0.5) * cells.step + left
        y = (torch.arange(rows) + 0.5) * cells.step + top
        self.centres = torch.stack(torch.meshgrid(x, y, indexing="xy")).to(device)
        bound = (-1, rows * columns, cells.triangles.shape[-1])
        self.triangles = cells.triangles.reshape(bound).int().to(device)
        self.barycentric = cells.barycentric.reshape(bound).to(device)
        self.hidden = _inside(self.centres, hidden)
        self._slope_limit = SlopeLimit(cells.step, self.hidden)
        self.nodes = nodes
        self._node_grid = self.pixel_grid.normalise(nodes)
        self._projection = surface.camera[:, :3]
        self._breath_clip = (self._projection @ surface.breath_offset)[:, None]
        self.rigid = self._rigid_channels(surface, weights.to(device), cells.step)

    def _rigid_channels(self, surface: Surface, weights: Tensor, step: float) -> Tensor:
        """
        Return the data of each cell for rotation and breath, ``[K, 10, n]``.

        `RIGID_CHANNELS` lists the channels. They are smoothed over the image: a
        rotated head shows the same image again, and a step in depth would tear it.
        """
        vertices = surface.deform(weights)
        fixed = torch.stack([surface.head_weight, surface.breath_weight], -1)
        values = torch.cat([vertices, fixed.expand(len(vertices), -1, -1)], -1)
        channels = self._interpolate(
            values, torch.arange(len(vertices), device=vertices.device)
        )
        window = 2 * round(_SMOOTHING_PX / step / 2) + 1
        for _ in range(3):
            channels = F.avg_pool2d(
                channels, window, 1, window // 2, count_include_pad=False
            )
        position, fixed = channels.flatten(2).split_with_sizes((3, 2), 1)
        clip = self._projection @ position + surface.camera[:, 3:]
        pixel = clip[:, :2] / clip[:, 2:]
        return torch.cat([position - surface.pivot[:, None], clip, fixed, pixel], 1)

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
        return self._slope_limit.apply(moves)

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


def _inside(
    points: Tensor, boxes: Sequence[tuple[float, float, float, float]]
) -> Tensor:
    """Return which of the points ``[2, h, w]`` lie in one of the boxes: ``[h, w]``."""
    x, y = points
    inside = torch.zeros_like(x, dtype=torch.bool)
    for left, top, right, bottom in boxes:
        inside |= (x > left) & (x < right) & (y > top) & (y < bottom)
    return inside


class Textures:
    """Images of one size and position, sampled at the nodes of a box."""

    def __init__(
        self, images: Tensor, background: Tensor, corner: tuple[float, float],
        scale: float, device: torch.device,
    ) -> None:  # fmt: skip
        """
        Lay ``images`` ``[N, 4, h, w]`` over ``background`` ``[3, h, w]``, and scale.

        Images are RGBA, uint8, with straight alpha; the background is RGB, 0..1.
        ``corner``: left top corner of all images in base-image pixels; ``scale``: frame
        pixels per base-image pixel.
        """
        count, _, rows, columns = images.shape
        ratio = min(1.0, scale * _MAX_OVERSAMPLING)
        height, width = (max(2, round(n * ratio / 2) * 2) for n in (rows, columns))
        # All images form one column, so that selecting an image is only an offset.
        # They are converted one by one: their floats stay in the CPU's cache.
        luma = torch.empty(count, height, width)
        chroma = torch.empty(2, count, height // 2, width // 2)
        for i, image in enumerate(images):
            planes = rgb_to_planes(_scaled(composite(image, background), height, width))
            luma[i], chroma[:, i] = planes.y[0], planes.uv[0]
        # Whole codes, so that a rig may hold them as bytes and draw the same pixels.
        self.planes = Planes(
            luma.round_().view(1, -1, width), chroma.round_().view(1, 2, -1, width // 2)
        ).to(device)
        self.pixel_grid = PixelGrid(*corner, columns, rows * count, device)
        self.corner, self.image_shape = corner, (count, height, width)
        # Texels per base-image pixel, across and down.
        self.density = width / columns, height / rows
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


def composite(image: Tensor, background: Tensor) -> Tensor:
    """
    Return RGBA over a background as RGB 0..1 ``[..., 3, h, w]``.

    ``image`` ``[..., 4, h, w]`` uint8 with straight alpha; ``background`` RGB 0..1.
    """
    return torch.lerp(
        background, image[..., :3, :, :] / 255, image[..., 3:, :, :] / 255
    )


def _scaled(rgb: Tensor, height: int, width: int) -> Tensor:
    """Return ``rgb`` ``[3, h, w]`` as ``[1, 3, height, width]``, 0..1."""
    if rgb.shape[1:] == (height, width):
        return rgb[None]
    return F.interpolate(
        rgb[None], size=(height, width), mode="bilinear", antialias=True,
        align_corners=False,
    ).clamp_(0, 1)  # fmt: skip


def with_margin(box: Box, step: int) -> Box:
    """Return ``box`` plus one node on each side, for `upsample` to interpolate to."""
    return Box(
        box.left - step, box.top - step, box.width + 2 * step, box.height + 2 * step
    )


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
