"""Rig of the test pattern: a marker, and a bar whose width is the mouth level."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from renderer.fiducial.marker import (
    BLACK,
    CELLS,
    INDEX_BITS,
    LEVEL_BITS,
    SIDE,
    TOP,
    TURN_BITS,
    WHITE,
    Marker,
    marker_cells,
)
from renderer.rig import RigInput

_GREY = 96  # luma around the marker
_BAR_TOP, _BAR_BOTTOM = 0.83, 0.96  # fractions of the frame's height


class FiducialRig:
    """Renderer of markers at one frame size. It ignores the face."""

    def __init__(self, width: int, height: int, device: torch.device) -> None:
        self.width, self.height = width, height
        self._device = device
        side = SIDE * min(width, height)
        left, top = (width - side) / 2, TOP * height
        x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
        columns = np.floor((x - left) / side * CELLS).clip(-1, CELLS) + 1
        rows = np.floor((y - top) / side * CELLS).clip(-1, CELLS) + 1
        bar = (y > _BAR_TOP * height) & (y < _BAR_BOTTOM * height)
        rows[bar] = CELLS + 2
        self._columns = torch.tensor(columns, dtype=torch.long, device=device)
        self._rows = torch.tensor(rows, dtype=torch.long, device=device)
        self._from_centre = torch.tensor(
            np.abs(x - width / 2) / (side / 2), dtype=torch.float32, device=device
        )

    @torch.inference_mode()
    def draw(self, faces: Tensor, rig_inputs: Sequence[RigInput]) -> Tensor:
        """Draw ``faces`` ``[B, 57]`` -> I420 ``[B, W*H*3//2]`` uint8."""
        batch = len(rig_inputs)
        markers = [marker_for(rig_input) for rig_input in rig_inputs]
        cells = np.full((batch, CELLS + 2, CELLS + 2), _GREY, np.uint8)
        cells[:, 1:-1, 1:-1] = [marker_cells(marker) for marker in markers]
        wide = torch.tensor(cells, device=self._device)[:, :, self._columns]
        level = torch.tensor([m.level / 63 for m in markers], device=self._device)
        bar = torch.where(self._from_centre <= level[:, None], WHITE, BLACK)
        bar = torch.where(self._from_centre <= 1, bar, _GREY).to(torch.uint8)
        lines = torch.cat([wide, bar[:, None]], 1)
        luma = self.width * self.height
        out = torch.full(
            (batch, luma * 3 // 2), 128, dtype=torch.uint8, device=self._device
        )
        out[:, :luma].view(batch, self.height, self.width).copy_(
            lines.index_select(1, self._rows)
        )
        return out


def marker_for(rig_input: RigInput) -> Marker:
    """Return the marker of a frame. Numbers wrap at their number of bits."""
    level = round(min(max(rig_input.level, 0.0), 1.0) * (2**LEVEL_BITS - 1))
    return Marker(rig_input.index % 2**INDEX_BITS, rig_input.turn % 2**TURN_BITS, level)
