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

from renderer.compose import Box, Planes, planes
from renderer.likeness import Cells, Surface
from renderer.view import View

_STEPS = 4
_SOFT = 20.0  # plate pixels over which what the head carries is smoothed
_SHARPER = 1.5  # pixels of a texture to one of the picture, where it has them


class Frame:
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
        self._frame = Frame(left, top, *size, device)
        x = (torch.arange(columns) + 0.5) * cells.step + left
        y = (torch.arange(rows) + 0.5) * cells.step + top
        self._home = torch.stack(torch.meshgrid(x, y, indexing="xy")).to(device)
        self._corners = cells.corners.view(-1, rows * columns, 3).to(device)
        self._shares = cells.shares.view(-1, rows * columns, 3).to(device)
        self._nodes = nodes
        place, skull, rise = self._softened(
            surface.places(faces.to(device)), cells.step
        )
        self._arm = place - surface.pivot
        self._skull, self._rise = skull, rise
        self._clip = place @ surface.camera[:, :3].T + surface.camera[:, 3]
        self._still = surface.pixels(place)

    def _softened(self, places: Tensor, step: float) -> tuple[Tensor, Tensor, Tensor]:
        """
        Place, skull and rise of each cell ``[K, n, …]``, without steps in depth.

        One plate is seen anew by a turned head: edges must not tear it apart.
        """
        surface = self._surface
        fixed = torch.stack([surface.skull, surface.rise], -1)
        every = torch.cat([places, fixed.expand(len(places), -1, -1)], -1)
        stuff = self._gathered(every, torch.arange(len(places), device=places.device))
        soft = 2 * round(_SOFT / step / 2) + 1
        for _ in range(3):
            stuff = F.avg_pool2d(stuff, soft, 1, soft // 2, count_include_pad=False)
        stuff = stuff.flatten(2).transpose(1, 2)
        return stuff[..., :3], stuff[..., 3:4], stuff[..., 4:]

    def _gathered(self, values: Tensor, which: Tensor) -> Tensor:
        """``[B, V, C]`` of the vertices -> ``[B, C, rows, columns]`` of the cells."""
        batch, count, channels = values.shape
        first = torch.arange(batch, device=values.device) * count
        found = F.embedding_bag(
            (self._corners[which] + first[:, None, None]).view(-1, 3),
            values.reshape(-1, channels),
            per_sample_weights=self._shares[which].view(-1, 3),
            mode="sum",
        )
        return found.view(batch, *self._home.shape[1:], channels).permute(0, 3, 1, 2)

    def moves(self, motion: Motion, which: Tensor) -> Tensor:
        """How far each cell has moved: ``[B, 2, rows, columns]`` plate pixels."""
        posed = self._gathered(motion.seen, which) - self._home
        lens = self._surface.camera[:, :3].T
        swung = self._arm[which] @ (motion.turn.transpose(1, 2) @ lens)
        clip = torch.addcmul(self._clip[which], swung, self._skull[which])
        lifted = motion.breath[:, None, None] * (self._surface.up @ lens)
        clip = torch.addcmul(clip, self._rise[which], lifted)
        carried = clip[..., :2] / clip[..., 2:] - self._still[which]
        return posed + carried.transpose(1, 2).view_as(posed)

    def away(self, motion: Motion, which: Tensor) -> Tensor:
        """
        From each node to the place it shows: ``[B, 2, h, w]`` plate pixels.

        ``which`` ``[B]``: number of the picture.
        """
        moved = self.moves(motion, which)
        away = torch.zeros_like(self._nodes).expand(len(which), *self._nodes.shape)
        for _ in range(_STEPS):
            grid = self._frame.normal(self._nodes + away).permute(0, 2, 3, 1)
            away = -F.grid_sample(
                moved, grid, padding_mode="border", align_corners=False
            )
        return away


class Pictures:
    """Pictures of one size and place, looked at through a box of the picture."""

    def __init__(
        self, rgb: Tensor, corner: tuple[float, float], view: View, box: Box,
        step: int, device: torch.device,
    ) -> None:  # fmt: skip
        """RGB 0..1 ``[N, 3, h, w]`` in plate pixels."""
        count, _, rows, columns = rgb.shape
        share = min(1.0, view.scale * _SHARPER)
        size = [max(2, round(side * share / 2) * 2) for side in (rows, columns)]
        if size != [rows, columns]:
            rgb = F.interpolate(
                rgb, size=size, mode="bilinear", antialias=True, align_corners=False
            )
        # All of them below each other: picking some costs nothing but a shift.
        column = rgb.clamp(0, 1).transpose(0, 1).flatten(1, 2)[None]
        self._planes = planes(column).to(device)
        self._frame = Frame(*corner, columns, rows * count, device)
        self._next = torch.tensor([0, 2 / count], device=device).view(2, 1, 1)
        self._step = step
        self._luma = self._frame.normal(view.targets(box, 1).to(device))
        self._chroma = self._frame.normal(view.targets(box, 2).to(device))

    def look(self, away: Tensor, which: Tensor) -> Planes:
        """Pictures ``which`` ``[B]``, ``away`` as of a `Mesh` of the same box."""
        turned = away * self._frame.scale + which[:, None, None, None] * self._next
        luma = enlarge(turned, self._step).add_(self._luma)
        chroma = enlarge(turned, self._step // 2) + self._chroma
        y = _sample(self._planes.y[:, None], luma)[:, 0]
        return Planes(y, _sample(self._planes.uv, chroma))


def enlarge(coarse: Tensor, step: int) -> Tensor:
    """``[B, C, h, w]`` -> ``[B, C, h * step, w * step]``, straight lines between."""
    if step == 1:
        return coarse
    return F.interpolate(
        coarse, scale_factor=step, mode="bilinear", align_corners=False
    )


def _sample(pictures: Tensor, grid: Tensor) -> Tensor:
    """``grid``: ``[B, 2, h, w]``."""
    pictures = pictures.expand(len(grid), *pictures.shape[1:])
    return F.grid_sample(
        pictures, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
    )
