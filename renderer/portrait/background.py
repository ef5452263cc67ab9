"""Background of a portrait: a wall with a soft light and no visible source."""

from dataclasses import dataclass

import torch
from torch import Tensor

_CENTRE = (0.5, 0.42)  # of the light, as fractions of the image's width and height
_RADIUS = 0.95  # from the centre to where the edge's colour begins, image heights


@dataclass(frozen=True, slots=True)
class Background:
    """Radial gradient between two sRGB colours such as ``#93a8b0``."""

    centre: str
    edge: str

    def paint(self, columns: int, rows: int) -> Tensor:
        """Return the gradient as RGB 0..1 ``[3, rows, columns]``."""
        x = (torch.arange(columns) + 0.5 - _CENTRE[0] * columns) / rows
        y = (torch.arange(rows) + 0.5 - _CENTRE[1] * rows) / rows
        distance = (torch.hypot(x[None], y[:, None]) / _RADIUS).clamp(0, 1)
        smooth = distance * distance * (3 - 2 * distance)
        return torch.lerp(_rgb(self.centre), _rgb(self.edge), smooth)


def _rgb(colour: str) -> Tensor:
    """Return an sRGB hex colour as ``[3, 1, 1]`` in 0..1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return torch.tensor(parts).view(3, 1, 1)
