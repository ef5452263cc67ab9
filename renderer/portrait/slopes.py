"""
Slope limit: makes a field of moves invertible.

Where one surface passes over another, such as a lip over teeth, neighbouring cells move
apart or over each other.  There a position could show two points of the image, or none.
The limit excludes that: the moves of two points differ by at most 0.7 of their
distance.  So each position shows exactly one point, and each step of a fixed-point
iteration leaves at most 0.7 of its error.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Pixels of move per pixel of distance, across and down, for each component: an error of
# one pixel in both directions changes a component by 0.7.  A larger limit needs more
# steps and draws a keyframe from the others no better.
MAX_SLOPE = 0.35
# Cells on each side that limit a cell.  A step in the field is spread over them: one of
# up to 87 pixels between cells of 8 pixels.
_REACH = 31
# Stands for "no limit from this cell", in pixels: far beyond every image's width.
_NO_LIMIT = 1e4


class SlopeLimit:
    """Filter of the moves of one mesh's cells."""

    def __init__(self, step: float, hidden: Tensor) -> None:
        """
        Prepare for cells of side ``step``; ``hidden`` ``[h, w]`` bool.

        Hidden cells are those that no pixel shows.  They get moves that fit in with the
        others, which they do not influence.
        """
        self._hidden = hidden
        rows, columns = hidden.shape
        slope = MAX_SLOPE * step
        self._down = (slope * torch.arange(rows, device=hidden.device)).view(-1, 1)
        self._across = slope * torch.arange(columns, device=hidden.device)

    def apply(self, moves: Tensor) -> Tensor:
        """
        Return the moves ``[B, 2, h, w]``, limited in their slope.

        The result is the mean of the least field above the moves and of the greatest
        one below them that keep to the limit.  Both are continuous in the moves.
        """
        both = torch.cat([moves, -moves], 1).masked_fill_(self._hidden, -_NO_LIMIT)
        both = _least_above(_least_above(both, self._across, 3), self._down, 2)
        above, below = both.split_with_sizes(
            (2, 2), 1
        )  # the second one is that of the negative moves
        return (above - below) / 2


def _least_above(field: Tensor, ramp: Tensor, dim: int) -> Tensor:
    """
    Return the least field above ``field`` that is at most as steep as ``ramp``.

    It is so along ``dim``, 2 or 3.
    """
    after = _window_max(_pad(field + ramp, dim, (_REACH, 0)), dim) - ramp
    before = _window_max(_pad(field - ramp, dim, (0, _REACH)), dim) + ramp
    return torch.maximum(after, before)


def _pad(field: Tensor, dim: int, sides: tuple[int, int]) -> Tensor:
    return F.pad(field, (0, 0) * (3 - dim) + sides, value=-float("inf"))


def _window_max(field: Tensor, dim: int) -> Tensor:
    """Return the largest of each `_REACH` + 1 values in a row: `_REACH` fewer."""
    shift = 1
    while shift <= _REACH:
        length = field.shape[dim] - shift
        field = torch.maximum(
            field.narrow(dim, 0, length), field.narrow(dim, shift, length)
        )
        shift *= 2
    return field
