"""
Lattice of vertices in a base image, and the centres of its cells.

Writers of packages add these vertices where an image shows no surface.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Base-image pixels from the surface over which its expression fades out in hair and
# background, and from the person over which rotation and rise of the head do.
FADE_PX, STIFF_PX, RISE_PX = 44.0, 130.0, 30.0
PERSON = 0.35  # alpha, or part of a mask, above which a cell shows the person
_LATTICE_CELLS = 3  # cells of the base image from one added vertex to the next


@dataclass(frozen=True, slots=True)
class Lattice:
    """Regular grid of added vertices, at the centres of about every third cell."""

    rows: int  # cells of the base image
    columns: int
    step: int  # side of a cell, base-image pixels

    def knots(self) -> tuple[Ints, Ints]:
        """Return the rows and the columns of the cells that have a vertex."""
        down = np.arange(0, self.rows + _LATTICE_CELLS, _LATTICE_CELLS)
        across = np.arange(0, self.columns + _LATTICE_CELLS, _LATTICE_CELLS)
        return (
            np.minimum(down, self.rows - 1),
            np.minimum(across, self.columns - 1),
        )

    def bind(self, points: Floats) -> tuple[Ints, Floats]:
        """
        Return the triangle of vertices around each pixel of ``points`` ``[n, 2]``.

        A square of the lattice is two triangles. The results are vertex numbers and
        barycentric weights, ``[n, 3]`` each.
        """
        down, across = self.knots()
        b, u = _between(across, points[:, 0] / self.step - 0.5)
        a, v = _between(down, points[:, 1] / self.step - 0.5)
        wide = len(across)
        corner, right, below = a * wide + b, a * wide + b + 1, (a + 1) * wide + b
        lower = u + v > 1
        triangles = np.stack([np.where(lower, below + 1, corner), right, below], -1)
        barycentric = np.where(
            lower[:, None],
            np.stack([u + v - 1, 1 - v, 1 - u], -1),
            np.stack([1 - u - v, u, v], -1),
        )
        return triangles, barycentric


def _between(knots: Ints, position: Floats) -> tuple[Ints, Floats]:
    """Return the number of the knot before each position, and the way to the next."""
    position = np.clip(position, knots[0], knots[-1])
    number = np.clip(
        np.searchsorted(knots, position, side="right") - 1, 0, len(knots) - 2
    )
    gap = np.maximum(knots[number + 1] - knots[number], 1)
    return number, np.clip((position - knots[number]) / gap, 0, 1)


def cell_centres(left: int, top: int, rows: int, columns: int, step: int) -> Floats:
    """Return the centre of each cell in base-image pixels, ``[rows * columns, 2]``."""
    x = left + (np.arange(columns) + 0.5) * step
    y = top + (np.arange(rows) + 0.5) * step
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
