"""
A rig whose frames say which frame they are, to be read back after any codec.

Eight by eight black and white cells: a known pattern in the corners, then index, turn
and mouth level, then a check sum. A wrong read is `None`, not a wrong number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from renderer.frames import Cue

INDEX_BITS, TURN_BITS, LEVEL_BITS, CHECK_BITS = 24, 8, 6, 16
_BITS = INDEX_BITS + TURN_BITS + LEVEL_BITS + CHECK_BITS  # 54
_CELLS = 8
# Known cells (row, column): value. Every corner differs from its neighbours.
_KNOWN = {
    (0, 0): 1, (0, 1): 0, (0, 6): 0, (0, 7): 1, (7, 0): 1, (7, 1): 0, (7, 6): 1,
    (7, 7): 0, (3, 3): 1, (4, 4): 0,
}  # fmt: skip
_FREE = [(r, c) for r in range(_CELLS) for c in range(_CELLS) if (r, c) not in _KNOWN]
_BLACK, _GREY, _WHITE = 24, 96, 226
_SIDE = 0.75  # of the code, as a share of the picture's shorter side
_TOP = 0.045  # where it starts, as a share of the height
_BAR_TOP, _BAR_BOTTOM = 0.83, 0.96
_MARGIN = 0.2  # of the contrast: what a cell must differ from the middle


@dataclass(frozen=True, slots=True)
class Mark:
    """What a frame says about itself."""

    index: int
    turn: int
    level: int  # of the mouth, 0..63


class FiducialRig:
    """Draws marks, and a bar below them that widens with the level."""

    def __init__(self, width: int, height: int, device: torch.device) -> None:
        self.width, self.height = width, height
        self._device = device
        side = _SIDE * min(width, height)
        left, top = (width - side) / 2, _TOP * height
        x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
        columns = np.floor((x - left) / side * _CELLS).clip(-1, _CELLS) + 1
        rows = np.floor((y - top) / side * _CELLS).clip(-1, _CELLS) + 1
        bar = (y > _BAR_TOP * height) & (y < _BAR_BOTTOM * height)
        rows[bar] = _CELLS + 2
        self._columns = torch.tensor(columns, dtype=torch.long, device=device)
        self._rows = torch.tensor(rows, dtype=torch.long, device=device)
        self._across = torch.tensor(
            np.abs(x - width / 2) / (side / 2), dtype=torch.float32, device=device
        )

    @torch.inference_mode()
    def draw(self, faces: Tensor, cues: Sequence[Cue]) -> Tensor:
        """``faces`` ``[B, 57]`` and one cue each -> I420 ``[B, W*H*3//2]`` uint8."""
        batch = len(cues)
        marks = [mark_of(cue) for cue in cues]
        cells = np.full((batch, _CELLS + 2, _CELLS + 2), _GREY, np.uint8)
        cells[:, 1:-1, 1:-1] = [_cells(mark) for mark in marks]
        wide = torch.tensor(cells, device=self._device)[:, :, self._columns]
        level = torch.tensor([m.level / 63 for m in marks], device=self._device)
        bar = torch.where(self._across <= level[:, None], _WHITE, _BLACK)
        bar = torch.where(self._across <= 1, bar, _GREY).to(torch.uint8)
        lines = torch.cat([wide, bar[:, None]], 1)
        luma = self.width * self.height
        out = torch.full(
            (batch, luma * 3 // 2), 128, dtype=torch.uint8, device=self._device
        )
        out[:, :luma].view(batch, self.height, self.width).copy_(
            lines.index_select(1, self._rows)
        )
        return out


def mark_of(cue: Cue) -> Mark:
    """What the frame of ``cue`` says; numbers wrap at their number of bits."""
    level = round(min(max(cue.level, 0.0), 1.0) * (2**LEVEL_BITS - 1))
    return Mark(cue.index % 2**INDEX_BITS, cue.turn % 2**TURN_BITS, level)


def read(luma: npt.NDArray[np.uint8]) -> Mark | None:
    """The mark in a picture's luma ``[H, W]`` of any size, or None if unsure."""
    height, width = luma.shape
    side = _SIDE * min(width, height)
    if side < 4 * _CELLS:
        return None
    means = _cell_means(luma, (width - side) / 2, _TOP * height, side / _CELLS)
    white = float(np.mean([means[at] for at, value in _KNOWN.items() if value]))
    black = float(np.mean([means[at] for at, value in _KNOWN.items() if not value]))
    contrast = white - black
    if contrast < 40:
        return None
    shares = (means - black) / contrast
    if np.any(np.abs(shares - 0.5) < _MARGIN):
        return None
    bits = shares > 0.5
    if any(bits[at] != bool(value) for at, value in _KNOWN.items()):
        return None
    word = 0
    for at in _FREE:
        word = word << 1 | int(bits[at])
    return _unpack(word)


def _cell_means(
    luma: npt.NDArray[np.uint8], left: float, top: float, cell: float
) -> npt.NDArray[np.float64]:
    """Mean luma of the inner half of each cell, ``[8, 8]``."""
    means = np.empty((_CELLS, _CELLS))
    for row in range(_CELLS):
        for column in range(_CELLS):
            x, y = left + (column + 0.25) * cell, top + (row + 0.25) * cell
            inner = luma[int(y) : int(y + cell / 2) + 1, int(x) : int(x + cell / 2) + 1]
            means[row, column] = inner.mean()
    return means


def _cells(mark: Mark) -> npt.NDArray[np.uint8]:
    word = _pack(mark)
    cells = np.empty((_CELLS, _CELLS), np.uint8)
    for at, value in _KNOWN.items():
        cells[at] = _WHITE if value else _BLACK
    for i, at in enumerate(_FREE):
        cells[at] = _WHITE if word >> (_BITS - 1 - i) & 1 else _BLACK
    return cells


def _pack(mark: Mark) -> int:
    body = (mark.index << TURN_BITS | mark.turn) << LEVEL_BITS | mark.level
    return body << CHECK_BITS | _check(body)


def _unpack(word: int) -> Mark | None:
    body = word >> CHECK_BITS
    if _check(body) != word & (2**CHECK_BITS - 1):
        return None
    return Mark(
        index=body >> (TURN_BITS + LEVEL_BITS),
        turn=body >> LEVEL_BITS & (2**TURN_BITS - 1),
        level=body & (2**LEVEL_BITS - 1),
    )


def _check(body: int) -> int:
    """CRC-16-CCITT of the body as five bytes, started so that zeros are not zero."""
    crc = 0xFFFF
    for byte in body.to_bytes(5, "big"):
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc
