"""
Marker in a video frame that encodes frame index, turn and mouth level.

It has 8 x 8 black and white cells: a fixed pattern in the corners, then the three
numbers, then a check sum. It can be read after scaling and any codec. If a marker is
damaged, reading returns None, not a wrong number. Reading needs numpy, not torch.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

INDEX_BITS, TURN_BITS, LEVEL_BITS, CHECK_BITS = 24, 8, 6, 16
_BITS = INDEX_BITS + TURN_BITS + LEVEL_BITS + CHECK_BITS  # 54
CELLS = 8
# Fixed cells, (row, column): value. Every corner differs from its neighbours.
_FIXED = {
    (0, 0): 1, (0, 1): 0, (0, 6): 0, (0, 7): 1, (7, 0): 1, (7, 1): 0, (7, 6): 1,
    (7, 7): 0, (3, 3): 1, (4, 4): 0,
}  # fmt: skip
_FREE = [(r, c) for r in range(CELLS) for c in range(CELLS) if (r, c) not in _FIXED]
BLACK, WHITE = 24, 226  # luma
SIDE = 0.75  # of the marker, as a fraction of the frame's shorter side
TOP = 0.045  # of the marker, as a fraction of the frame's height
_MIN_CONTRAST = 40  # luma codes between white and black
_MARGIN = 0.2  # fraction of the contrast by which a cell must differ from mid-grey


@dataclass(frozen=True, slots=True)
class Marker:
    """Numbers that a frame's marker encodes."""

    index: int
    turn: int
    level: int  # of the mouth, 0..63


def read_marker(luma: npt.NDArray[np.uint8]) -> Marker | None:
    """
    Return the marker in a frame's luma ``[H, W]`` of any size.

    None if there is no marker, or if any cell or the check sum is in doubt.
    """
    height, width = luma.shape
    side = SIDE * min(width, height)
    if side < 4 * CELLS:
        return None
    means = _cell_means(luma, (width - side) / 2, TOP * height, side / CELLS)
    white = float(np.mean([means[cell] for cell, value in _FIXED.items() if value]))
    black = float(np.mean([means[cell] for cell, value in _FIXED.items() if not value]))
    contrast = white - black
    if contrast < _MIN_CONTRAST:
        return None
    levels = (means - black) / contrast
    if np.any(np.abs(levels - 0.5) < _MARGIN):
        return None
    bits = levels > 0.5
    if any(bits[cell] != bool(value) for cell, value in _FIXED.items()):
        return None
    word = 0
    for cell in _FREE:
        word = word << 1 | int(bits[cell])
    return _unpack(word)


def _cell_means(
    luma: npt.NDArray[np.uint8], left: float, top: float, cell: float
) -> npt.NDArray[np.float64]:
    """Return the mean luma of the inner half of each cell, ``[8, 8]``."""
    means = np.empty((CELLS, CELLS))
    for row in range(CELLS):
        for column in range(CELLS):
            x, y = left + (column + 0.25) * cell, top + (row + 0.25) * cell
            inner = luma[int(y) : int(y + cell / 2) + 1, int(x) : int(x + cell / 2) + 1]
            means[row, column] = inner.mean()
    return means


def marker_cells(marker: Marker) -> npt.NDArray[np.uint8]:
    """Return the luma of the marker's cells, ``[8, 8]``."""
    word = _pack(marker)
    cells = np.empty((CELLS, CELLS), np.uint8)
    for cell, value in _FIXED.items():
        cells[cell] = WHITE if value else BLACK
    for i, cell in enumerate(_FREE):
        cells[cell] = WHITE if word >> (_BITS - 1 - i) & 1 else BLACK
    return cells


def _pack(marker: Marker) -> int:
    body = (marker.index << TURN_BITS | marker.turn) << LEVEL_BITS | marker.level
    return body << CHECK_BITS | _crc(body)


def _unpack(word: int) -> Marker | None:
    body = word >> CHECK_BITS
    if _crc(body) != word & (2**CHECK_BITS - 1):
        return None
    return Marker(
        index=body >> (TURN_BITS + LEVEL_BITS),
        turn=body >> LEVEL_BITS & (2**TURN_BITS - 1),
        level=body & (2**LEVEL_BITS - 1),
    )


def _crc(body: int) -> int:
    """
    Return the CRC-16-CCITT of the body as five bytes.

    It starts at 0xFFFF, so that a body of zeros has a check sum other than 0.
    """
    crc = 0xFFFF
    for byte in body.to_bytes(5, "big"):
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc
