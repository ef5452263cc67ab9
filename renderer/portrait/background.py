"""What a portrait stands in front of: a soft light on a wall, without a source."""

from dataclasses import dataclass

import torch
from torch import Tensor

_CENTRE = (0.5, 0.42)  # shares of the plate's sides
_REACH = 0.95  # plate heights from the lightest place to the edge's colour


@dataclass(frozen=True, slots=True)
class Background:
    """Two sRGB colours such as ``#93a8b0``."""

    centre: str
    edge: str

    def paint(self, columns: int, rows: int) -> Tensor:
        """RGB 0..1 ``[3, rows, columns]``."""
        x = (torch.arange(columns) + 0.5 - _CENTRE[0] * columns) / rows
        y = (torch.arange(rows) + 0.5 - _CENTRE[1] * rows) / rows
        far = (torch.hypot(x[None], y[:, None]) / _REACH).clamp(0, 1)
        share = far * far * (3 - 2 * far)
        return torch.lerp(_rgb(self.centre), _rgb(self.edge), share)


def _rgb(colour: str) -> Tensor:
    """``[3, 1, 1]``."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return torch.tensor(parts).view(3, 1, 1)
