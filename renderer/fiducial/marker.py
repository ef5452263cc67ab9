"""
A mark in a picture that says which frame it is, and can be read after any codec.

Eight by eight black and white cells: a known pattern in the corners, then index, turn
and mouth level, then a check sum. A wrong read is `None`, not a wrong number. Who only
reads needs no torch.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

INDEX_BITS, TURN_BITS, LEVEL_BITS, CHECK_BITS = 24, 8, 6, 16
_BITS = INDEX_BITS + TURN_BITS + LEVEL_BITS + CHECK_BITS  # 54
CELLS = 8
# Known cells (row, column): value. Every corner differs from its neighbours.
_KNOWN = {
    (0, 0): 1, (0, 1): 0, (0, 6): 0, (0, 7): 1, (7, 0): 1, (7, 1): 0, (7, 6): 1,
    (7, 7): 0, (3, 3): 1, (4, 4): 0,
}  # fmt: skip
_FREE = [(r, c) for r in range(CELLS) for c in range(CELLS) if (r, c) not in _KNOWN]
BLACK, WHITE = 24, 226
SIDE = 0.75  # of the code, as a share of the picture's shorter side
TOP = 0.045  # where it starts, as a share of the height
_MARGIN = 0.2  # of the contrast: what a cell must differ from the middle


@dataclass(frozen=True, slots=True)
class Marker:
    """What a frame says about itself."""

    index: int
    turn: int
    level: int  # of the mouth, 0..63


def read(luma: npt.NDArray[np.uint8]) -> Marker | None:
    """The mark in a picture's luma ``[H, W]`` of any size, or None if unsure."""
    height, width = luma.shape
    side = SIDE * min(width, height)
    if side < 4 * CELLS:
        return None
    means = _cell_means(luma, (width - side) / 2, TOP * height, side / CELLS)
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
    means = np.empty((CELLS, CELLS))
    for row in range(CELLS):
        for column in range(CELLS):
            x, y = left + (column + 0.25) * cell, top + (row + 0.25) * cell
            inner = luma[int(y) : int(y + cell / 2) + 1, int(x) : int(x + cell / 2) + 1]
            means[row, column] = inner.mean()
    return means


def cells_of(mark: Marker) -> npt.NDArray[np.uint8]:
    """Their luma, ``[8, 8]``."""
    word = _pack(mark)
    cells = np.empty((CELLS, CELLS), np.uint8)
    for at, value in _KNOWN.items():
        cells[at] = WHITE if value else BLACK
    for i, at in enumerate(_FREE):
        cells[at] = WHITE if word >> (_BITS - 1 - i) & 1 else BLACK
    return cells


def _pack(mark: Marker) -> int:
    body = (mark.index << TURN_BITS | mark.turn) << LEVEL_BITS | mark.level
    return body << CHECK_BITS | _check(body)


def _unpack(word: int) -> Marker | None:
    body = word >> CHECK_BITS
    if _check(body) != word & (2**CHECK_BITS - 1):
        return None
    return Marker(
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
