"""
Slope limit: makes a field of moves invertible.

Where one surface passes over another, such as a lip over teeth, neighbouring cells move
apart or over each other.  There a position could show two points of the image, or none.
The limit excludes that: the moves of two points differ by at most 0.7 of their
distance.  So each position shows exactly one point, and each step of a fixed-point
iteration leaves at most 0.7 of its error.
"""

from typing import Any

import numpy as np

from renderer.tensors import like, namespace

# Both a numpy array and a tensor are such values: rigs are prepared with the former.
Values = Any

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

    def __init__(self, step: float, hidden: Values) -> None:
        """
        Prepare for cells of side ``step``; ``hidden`` ``[h, w]`` bool.

        Hidden cells are those that no pixel shows.  They get moves that fit in with the
        others, which they do not influence.
        """
        self._hidden = hidden
        rows, columns = hidden.shape
        slope = np.float32(MAX_SLOPE * step)
        down, across = (slope * np.arange(n, dtype=np.float32) for n in (rows, columns))
        self._down, self._across = like(hidden, down[:, None]), like(hidden, across)
        self._no_limit = like(hidden, np.full((1, 1), -_NO_LIMIT, np.float32))

    def apply(self, moves: Values) -> Values:
        """
        Return the moves ``[B, 2, h, w]``, limited in their slope.

        The result is the mean of the least field above the moves and of the greatest
        one below them that keep to the limit.  Both are continuous in the moves.
        """
        xp = namespace(moves)
        both = xp.concat([moves, -moves], 1)
        both = xp.where(self._hidden, self._no_limit, both)
        both = _least_above(_least_above(both, self._across, 3), self._down, 2)
        above, below = both[:, :2], both[:, 2:]  # the second one: of negative moves
        return (above - below) / 2


def _least_above(field: Values, ramp: Values, axis: int) -> Values:
    """
    Return the least field above ``field`` that is at most as steep as ``ramp``.

    It is so along ``axis``, 2 or 3.
    """
    after = _window_max(field + ramp, axis, later=False) - ramp
    before = _window_max(field - ramp, axis, later=True) + ramp
    return namespace(field).maximum(after, before)


def _window_max(field: Values, axis: int, *, later: bool) -> Values:
    """
    Return the largest of each value and the `_REACH` before it in its row.

    ``later``: of each value and those after it.
    """
    xp = namespace(field)
    shift = 1
    while shift <= _REACH and shift < field.shape[axis]:
        largest = xp.maximum(_part(field, axis, 0, -shift), _part(field, axis, shift))
        if later:
            field = xp.concat([largest, _part(field, axis, -shift)], axis)
        else:
            field = xp.concat([_part(field, axis, 0, shift), largest], axis)
        shift *= 2
    return field


def _part(field: Values, axis: int, start: int, stop: int | None = None) -> Values:
    return field[(slice(None),) * axis + (slice(start, stop),)]
