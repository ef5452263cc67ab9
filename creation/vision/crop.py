"""Squares cut out of a picture, turned and resized."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from creation.arrays import Picture

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Square:
    """Square in a picture: centre and side in pixels, and its angle in radians."""

    x: float
    y: float
    side: float
    angle: float = 0.0  # clockwise on the screen, as y goes down

    def cut(self, picture: Picture, pixels: int) -> Tensor:
        """
        Return the square as ``[1, 3, pixels, pixels]``; outside the picture it is 0.

        Reduction averages, so that fine structure does not alias.
        """
        x0, y0, part = self._surroundings(picture)
        # Torch takes no negative strides, which turned pictures have. NumPy calls those
        # of a single row contiguous, so only a copy is safe.
        whole = torch.from_numpy(part.copy()).permute(2, 0, 1)[None]
        height, width = part.shape[:2]
        reduction = self.side / pixels
        if reduction > 1:
            size = [max(1, round(n / reduction)) for n in (height, width)]
            whole = F.interpolate(
                whole, size, mode="bilinear", antialias=True, align_corners=False
            )
        middles = np.arange(pixels) + 0.5
        at = self.to_picture(np.stack(np.meshgrid(middles, middles), -1), pixels)
        at = (at - (x0, y0)) / (width, height) * 2 - 1
        grid = torch.from_numpy(at[None].astype(np.float32))
        return F.grid_sample(whole, grid, align_corners=False)

    def to_picture(self, points: Points, pixels: int) -> Points:
        """Map points ``[..., 2]`` from the cut square into the picture."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        scaled = (points / pixels - 0.5) * self.side
        return np.stack(
            [
                self.x + cos * scaled[..., 0] - sin * scaled[..., 1],
                self.y + sin * scaled[..., 0] + cos * scaled[..., 1],
            ],
            -1,
        )

    def _surroundings(self, picture: Picture) -> tuple[int, int, Picture]:
        """Return left, top and pixels of the picture around the square."""
        height, width = picture.shape[:2]
        # A pixel more on each side for the interpolation, and where there are many
        # pixels to one of the cut square, some for the reduction.
        reach = self.side * 0.75 + 2
        x0, x1 = (round(self.x + sign * reach) for sign in (-1, 1))
        y0, y1 = (round(self.y + sign * reach) for sign in (-1, 1))
        x0, y0 = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
        x1, y1 = max(min(x1, width), x0 + 1), max(min(y1, height), y0 + 1)
        return x0, y0, picture[y0:y1, x0:x1]


def mirrored(square: Square, width: int) -> Square:
    """Return the square in the mirrored picture, whose width is ``width``."""
    return Square(width - square.x, square.y, square.side, -square.angle)
