"""Warp that moves landmarks the rest of their way, smooth everywhere else."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creation.arrays import Floats
from creation.surface import distances
from creation.vision.rings import COUNT, OVAL, RIGHT_IRIS

_SMOOTHING = 1.5e-3  # metres: how little a landmark may be trusted
_OVAL_SMOOTHING = 4 * _SMOOTHING  # more on the oval
_FAR_M = 0.045  # from every landmark: anchors, which stay
_ANCHORS = 150
_OUTLIERS = 97  # percentile of the residuals, twice which is too much
_CHUNK = 4096  # points at a time


@dataclass(frozen=True, slots=True)
class Warp:
    """Displacement of space: sum of |x - c| around centres, and an affine part."""

    origin: Floats  # [3]: near the centres, for the sake of rounding
    centres: Floats  # [n, 3], from the origin
    weights: Floats  # [n, 3]
    affine: Floats  # [4, 3]: constant, then by each axis

    def at(self, points: Floats) -> Floats:
        """Return the displacement ``[m, 3]`` of points ``[m, 3]``, metres."""
        moved = np.empty_like(points)
        for begin in range(0, len(points), _CHUNK):
            some = points[begin : begin + _CHUNK] - self.origin
            moved[begin : begin + _CHUNK] = (
                _distances(some, self.centres) @ self.weights
                + self.affine[0] + some @ self.affine[1:]
            )  # fmt: skip
        return moved


def fit_warp(
    spots: Floats, moves: Floats, known: npt.NDArray[np.bool_], skin: Floats
) -> Warp:
    """
    Return the warp that moves landmarks ``spots`` by ``moves``, both ``[478, 3]``.

    ``known`` ``[478]`` are the landmarks that have a point. ``skin`` ``[m, 3]`` are
    vertices; some of those far from every landmark are held. Outliers are left out.
    """
    size = np.linalg.norm(moves, axis=1)
    usable = known & (np.arange(COUNT) < RIGHT_IRIS[0])
    usable &= size < 2 * np.percentile(size[usable], _OUTLIERS)
    smoothing = np.full(COUNT, _SMOOTHING)
    smoothing[list(OVAL)] += _OVAL_SMOOTHING
    origin = spots[usable].mean(0)
    near = spots[usable] - origin
    far = skin[distances(skin, spots[usable])[0] > _FAR_M] - origin
    anchors = far[:: max(1, len(far) // _ANCHORS)]
    centres = np.concatenate([near, anchors])
    values = np.concatenate([moves[usable], np.zeros_like(anchors)])
    damping = np.concatenate([smoothing[usable], np.full(len(anchors), _SMOOTHING)])
    count = len(centres)
    system = np.zeros((count + 4, count + 4))
    # |x| is conditionally negative definite: smoothing has the opposite sign.
    system[:count, :count] = _distances(centres, centres) - np.diag(damping)
    system[:count, count] = system[count, :count] = 1.0
    system[:count, count + 1 :] = centres
    system[count + 1 :, :count] = centres.T
    found = np.linalg.solve(system, np.concatenate([values, np.zeros((4, 3))]))
    return Warp(origin, centres, found[:count], found[count:])


def _distances(a: Floats, b: Floats) -> Floats:
    """Return the distances ``[n, m]`` of points ``[n, 3]`` and ``[m, 3]``."""
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
    return np.asarray(np.sqrt(squares.clip(0)))
