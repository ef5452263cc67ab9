"""Rig of the test pattern: a marker, and a bar whose width is the mouth level."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

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
from renderer.rig import Bytes, Floats, RigInput
from renderer.tensors import like

if TYPE_CHECKING:
    from torch import Tensor

_GREY = 96  # luma around the marker
_BAR_TOP, _BAR_BOTTOM = 0.83, 0.96  # fractions of the frame's height


class FiducialRig:
    """Renderer of markers at one frame size. It ignores the face."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        side = SIDE * min(width, height)
        left, top = (width - side) / 2, TOP * height
        x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
        columns = np.floor((x - left) / side * CELLS).clip(-1, CELLS) + 1
        rows = np.floor((y - top) / side * CELLS).clip(-1, CELLS) + 1
        bar = (y > _BAR_TOP * height) & (y < _BAR_BOTTOM * height)
        rows[bar] = CELLS + 2
        self._columns, self._rows = columns.astype(np.intp), rows.astype(np.intp)
        self._from_centre = np.abs(x - width / 2) / (side / 2)

    @overload
    def draw(self, faces: "Tensor", rig_inputs: Sequence[RigInput]) -> "Tensor": ...
    @overload
    def draw(self, faces: Floats, rig_inputs: Sequence[RigInput]) -> Bytes: ...
    def draw(self, faces: Any, rig_inputs: Sequence[RigInput]) -> Any:
        """Draw ``faces`` ``[B, 57]`` -> I420 ``[B, W*H*3//2]`` uint8."""
        batch = len(rig_inputs)
        markers = [marker_for(rig_input) for rig_input in rig_inputs]
        cells = np.full((batch, CELLS + 2, CELLS + 2), _GREY, np.uint8)
        cells[:, 1:-1, 1:-1] = [marker_cells(marker) for marker in markers]
        level = np.array([marker.level / 63 for marker in markers])
        bar = np.where(self._from_centre <= level[:, None], WHITE, BLACK)
        bar = np.where(self._from_centre <= 1, bar, _GREY).astype(np.uint8)
        lines = np.concat([cells[:, :, self._columns], bar[:, None]], 1)
        luma = self.width * self.height
        out = np.full((batch, luma * 3 // 2), 128, np.uint8)
        planes = out[:, :luma].reshape(batch, self.height, self.width)
        np.take(lines, self._rows, 1, planes, mode="clip")
        return like(faces, out)


def marker_for(rig_input: RigInput) -> Marker:
    """Return the marker of a frame. Numbers wrap at their number of bits."""
    level = round(min(max(rig_input.level, 0.0), 1.0) * (2**LEVEL_BITS - 1))
    return Marker(rig_input.index % 2**INDEX_BITS, rig_input.turn % 2**TURN_BITS, level)
