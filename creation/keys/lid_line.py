"""Edge of an upper lid as a line in a picture."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Whole
from creation.donor.loader import Donor
from creation.fit.camera import project
from creation.keys.head import Head, unit
from creation.keys.lids import LidEdge
from creation.vision.rings import LEFT_EYE, RIGHT_EYE

EYE_RINGS = {"eyeRight": RIGHT_EYE, "eyeLeft": LEFT_EYE}
_INNER = 8  # position of the inner corner in such a ring


@dataclass(frozen=True, slots=True)
class LidLine:
    """Edge of an upper lid, from left to right."""

    vertices: np.ndarray  # [n]: in that order
    inner: int  # landmark of the inner corner
    inner_last: bool  # it is at the right end

    @classmethod
    def of(cls, head: Head, name: str) -> "LidLine":
        """Return the lower side of the upper lid's edge in the donor's blink."""
        donor, side = head.donor, name.removeprefix("eye")
        edge = LidEdge.of(head, side).vertices
        closed = donor.neutral + donor.shapes[unit("eyeBlink" + side)]
        xy, _ = project(closed, donor.camera)
        ring = EYE_RINGS[name]
        return cls(edge[_lowest(xy[edge])], ring[_INNER], name == "eyeRight")

    def at(self, xy: Floats, donor: Donor) -> Floats:
        """Return the line ``[n, 2]`` for pixels ``[V, 2]`` of the vertices."""
        inner = donor.landmarks.of(np.pad(xy, ((0, 0), (0, 1))))[self.inner, :2][None]
        parts = [xy[self.vertices], inner]
        line = np.concatenate(parts if self.inner_last else parts[::-1])
        line[:, 0] = np.maximum.accumulate(line[:, 0] + 1e-3 * np.arange(len(line)))
        soft = line.copy()
        soft[1:-1, 1] = (line[:-2, 1] + 2 * line[1:-1, 1] + line[2:, 1]) / 4
        return soft


def _lowest(points: Floats) -> Whole:
    """Return the numbers of the points ``[n, 2]`` on the lower side of their hull."""
    hull: list[int] = []
    for k in np.lexsort((points[:, 1], points[:, 0])):
        while (
            len(hull) > 1 and _turn(points[hull[-2]], points[hull[-1]], points[k]) >= 0
        ):
            hull.pop()
        hull.append(int(k))
    return np.array(hull)


def _turn(a: Floats, b: Floats, c: Floats) -> float:
    ab, ac = b - a, c - a
    return float(ab[0] * ac[1] - ab[1] * ac[0])


def width_of(line: Floats) -> float:
    """Return the length of a line across the picture, pixels."""
    return float(line[-1, 0] - line[0, 0])


def offsets(line: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Return pixels below a line and beyond its ends, for points ``[..., 2]``."""
    x, y = points[..., 0], points[..., 1]
    beside = np.maximum(np.maximum(line[0, 0] - x, x - line[-1, 0]), 0)
    return y - np.interp(x, line[:, 0], line[:, 1]), beside
