"""
Pictures bent to where their surface went.

A picture's cells say where its places are now; what is drawn needs the opposite, which
place a pixel shows.  That is found on a coarse mesh by going back and forth, which
settles within a few steps because neighbours move alike.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from renderer.portrait.model import Cells, Surface
from renderer.yuv import Box, Planes, planes

_STEPS = 4
_SOFT = 20.0  # plate pixels over which what the head carries is smoothed
_HELD = (3, 3, 1, 1, 2)  # from the pivot, as the camera has it, skull, rise, pixels
_SHARPER = 1.5  # pixels of a texture to one of the picture, where it has them


class PixelGrid:
    """A rectangle of the plate, counted as `grid_sample` does."""

    def __init__(
        self, left: float, top: float, width: float, height: float,
        device: torch.device,
    ) -> None:  # fmt: skip
        scale = torch.tensor([2 / width, 2 / height])
        corner = torch.tensor([left, top])
        self.scale = scale.view(2, 1, 1).to(device)
        self._shift = (-corner * scale - 1).view(2, 1, 1).to(device)

    def normal(self, at: Tensor) -> Tensor:
        """Plate pixels ``[..., 2, h, w]`` -> -1..1."""
        return torch.addcmul(self._shift, at, self.scale)


@dataclass(frozen=True, slots=True)
class Motion:
    """What one pass does with a surface."""

    seen: Tensor  # [B, V, 2] plate pixels: of its vertices on a head held still
    turn: Tensor  # [B, 3, 3]: of the head, less the identity
    breath: Tensor  # [B]

    def each(self, count: int) -> "Motion":
        """``count`` times every one."""
        return Motion(
            self.seen.repeat_interleave(count, 0),
            self.turn.repeat_interleave(count, 0),
            self.breath.repeat_interleave(count, 0),
        )


class Mesh:
    """How the content of a box of the picture has moved, by its nodes."""

    def __init__(
        self, surface: Surface, cells: Cells, faces: Tensor,
        corner: tuple[float, float], nodes: Tensor,
    ) -> None:  # fmt: skip
        """
        ``faces`` ``[K, U]``: of each picture that ``cells`` belong to; ``corner``: of
        all of them in the plate; ``nodes`` ``[2, h, w]``: plate pixels.
        """
        device = nodes.device
        rows, columns = cells.corners.shape[-3:-1]
        left, top = corner
        self._surface = surface
        size = columns * cells.step, rows * cells.step
        self._frame = PixelGrid(left, top, *size, device)
        x = (torch.arange(columns) + 0.5) * cells.step + left
        y = (torch.arange(rows) + 0.5) * cells.step + top
        self._home = torch.stack(torch.meshgrid(x, y, indexing="xy")).to(device)
        self._corners = cells.corners.reshape(-1, rows * columns, 3).int().to(device)
        self._shares = cells.shares.reshape(-1, rows * columns, 3).to(device)
        self._nodes = nodes
        self._lens = surface.camera[:, :3]
        self._up = (self._lens @ surface.up)[:, None]
        self._held = self._hold(surface, faces.to(device), cells.step)

    def _hold(self, surface: Surface, faces: Tensor, step: float) -> Tensor:
        """
        What the head has of each cell: `_HELD`, ``[K, 10, n]``, without steps in depth.

        One plate is seen anew by a turned head: edges must not tear it apart.
        """
        places = surface.places(faces)
        fixed = torch.stack([surface.skull, surface.rise], -1)
        every = torch.cat([places, fixed.expand(len(places), -1, -1)], -1)
        stuff = self._gathered(every, torch.arange(len(places), device=places.device))
        soft = 2 * round(_SOFT / step / 2) + 1
        for _ in range(3):
            stuff = F.avg_pool2d(stuff, soft, 1, soft // 2, count_include_pad=False)
        place, fixed = stuff.flatten(2).split_with_sizes((3, 2), 1)
        clip = self._lens @ place + surface.camera[:, 3:]
        still = clip[:, :2] / clip[:, 2:]
        return torch.cat([place - surface.pivot[:, None], clip, fixed, still], 1)

    def _gathered(self, values: Tensor, which: Tensor) -> Tensor:
        """``[B, V, C]`` of the vertices -> ``[B, C, rows, columns]`` of the cells."""
        batch, count, channels = values.shape
        first = torch.arange(batch, device=values.device, dtype=torch.int32) * count
        found = F.embedding_bag(
            (self._of(self._corners, which) + first[:, None, None]).view(-1, 3),
            values.reshape(-1, channels),
            per_sample_weights=self._of(self._shares, which).reshape(-1, 3),
            mode="sum",
        )
        found = found.view(batch, -1, channels).transpose(1, 2).contiguous()
        return found.view(batch, channels, *self._home.shape[1:])

    def _of(self, each: Tensor, which: Tensor) -> Tensor:
        """What ``each`` picture has of something, for pictures ``which``."""
        if len(each) == 1:
            return each.expand(len(which), *each.shape[1:])
        return each[which]

    def moves(self, motion: Motion, which: Tensor) -> Tensor:
        """How far each cell has moved: ``[B, 2, rows, columns]`` plate pixels."""
        posed = self._gathered(motion.seen, which) - self._home
        held = self._of(self._held, which)
        arm, clip, skull, rise, still = held.split_with_sizes(_HELD, 1)
        swung = (self._lens @ motion.turn) @ arm
        clip = torch.addcmul(clip, swung, skull)
        clip = torch.addcmul(clip, rise, motion.breath[:, None, None] * self._up)
        carried = clip[:, :2] / clip[:, 2:] - still
        return posed.add_(carried.view_as(posed))

    def places(self, motion: Motion, which: Tensor) -> Tensor:
        """
        The place that each node shows: ``[B, 2, h, w]`` plate pixels.

        ``which`` ``[B]``: number of the picture.
        """
        moved = self.moves(motion, which)
        found = self._nodes.expand(len(which), *self._nodes.shape)
        for _ in range(_STEPS):
            grid = self._frame.normal(found).permute(0, 2, 3, 1)
            found = self._nodes - F.grid_sample(
                moved, grid, padding_mode="border", align_corners=False
            )
        return found


class Pictures:
    """Pictures of one size and place, looked at through a box of the picture."""

    def __init__(
        self, rgb: Tensor, corner: tuple[float, float], scale: float, step: int,
        device: torch.device,
    ) -> None:  # fmt: skip
        """RGB 0..1 ``[N, 3, h, w]`` in plate pixels."""
        count, _, rows, columns = rgb.shape
        share = min(1.0, scale * _SHARPER)
        size = [max(2, round(side * share / 2) * 2) for side in (rows, columns)]
        if size != [rows, columns]:
            rgb = F.interpolate(
                rgb, size=size, mode="bilinear", antialias=True, align_corners=False
            )
        # All of them below each other: picking some costs nothing but a shift.
        column = rgb.clamp(0, 1).transpose(0, 1).flatten(1, 2)[None]
        made = planes(column).to(device)
        # Side by side in memory, quicker to look at than with gaps.
        self._planes = Planes(made.y.contiguous(), made.uv.contiguous())
        self._frame = PixelGrid(*corner, columns, rows * count, device)
        self._next = torch.tensor([0, 2 / count], device=device).view(2, 1, 1)
        self._step = step

    def look(self, places: Tensor, which: Tensor) -> Planes:
        """
        Pictures ``which`` ``[B]`` through a box, whose nodes show ``places``.

        ``places``: as of a `Mesh`, for nodes every ``step`` pixels in and one around.
        """
        spots = self._frame.normal(places) + which[:, None, None, None] * self._next
        y = _sample(self._planes.y[:, None], within(spots, self._step))[:, 0]
        return Planes(y, _sample(self._planes.uv, within(spots, self._step // 2)))


def around(box: Box, step: int) -> Box:
    """``box`` with one more node on each side, without which its edge is a guess."""
    return Box(
        box.left - step, box.top - step, box.width + 2 * step, box.height + 2 * step
    )


def within(coarse: Tensor, step: int) -> Tensor:
    """
    Straight lines between nodes, for each pixel of the box that they are around.

    ``[B, C, h, w]`` -> ``[B, C, (h - 2) * step, (w - 2) * step]``
    """
    if step == 1:
        return coarse[..., 1:-1, 1:-1]
    fine = F.interpolate(
        coarse, scale_factor=step, mode="bilinear", align_corners=False
    )
    return fine[..., step:-step, step:-step]


def _sample(pictures: Tensor, grid: Tensor) -> Tensor:
    """``grid``: ``[B, 2, h, w]``."""
    pictures = pictures.expand(len(grid), *pictures.shape[1:])
    return F.grid_sample(
        pictures, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
    )
