"""How the plate lies in the picture that is asked for: covered, and centred."""

from dataclasses import dataclass

import torch
from torch import Tensor

from renderer.yuv import Box, even_box


@dataclass(frozen=True, slots=True)
class Crop:
    """A picture of ``width`` by ``height``, cut out of the plate and scaled."""

    width: int
    height: int
    scale: float  # picture pixels to a plate pixel
    left: float  # plate pixels left of the picture
    top: float

    @classmethod
    def covering(cls, width: int, height: int, columns: int, rows: int) -> "Crop":
        """The largest part of a plate of ``columns`` by ``rows`` with these sides."""
        scale = max(width / columns, height / rows)
        left, top = (columns - width / scale) / 2, (rows - height / scale) / 2
        return cls(width, height, scale, left, top)

    def step(self, plate_pixels: float) -> int:
        """Picture pixels, an even number, for about this many of the plate."""
        return max(2, 2 * round(plate_pixels * self.scale / 2))

    def targets(self, box: Box, step: int) -> Tensor:
        """Middles of squares of ``step`` pixels, in plate pixels: ``[2, h, w]``."""
        x = torch.arange(box.left + step / 2, box.left + box.width, step)
        y = torch.arange(box.top + step / 2, box.top + box.height, step)
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy")) / self.scale
        return grid + torch.tensor([self.left, self.top]).view(2, 1, 1)

    def box(
        self, left: float, top: float, right: float, bottom: float,
        step: int, within: Box | None = None,
    ) -> Box:  # fmt: skip
        """
        Pixels around a rectangle of the plate that are seen, in whole steps.

        Steps count from the corner of ``within``; left out, it is the picture, and the
        last step may end beyond.  Width or height is 0 where nothing is seen.
        """
        edges = even_box(
            (left - self.left) * self.scale, (top - self.top) * self.scale,
            (right - self.left) * self.scale, (bottom - self.top) * self.scale,
            self.width, self.height,
        )  # fmt: skip
        outer = within or Box(0, 0, _up(self.width, step), _up(self.height, step))
        x, width = _whole(edges.left, edges.width, outer.left, outer.width, step)
        y, height = _whole(edges.top, edges.height, outer.top, outer.height, step)
        return Box(x, y, width, height)


def _up(length: int, step: int) -> int:
    return -(-length // step) * step


def _whole(start: int, length: int, low: int, room: int, step: int) -> tuple[int, int]:
    """``start`` and ``length`` grown to whole steps within ``room`` from ``low``."""
    first = max(0, (start - low) // step)
    last = min(-(-(start + length - low) // step), room // step)
    return low + first * step, max(0, last - first) * step
