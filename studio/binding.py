"""Which vertices the places of a picture are stuck to, also where no surface is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from studio.geometry import Array, Geometry, Hits, Integers, behind

_LATTICE = 3  # cells of the plate between two vertices that are added
_FADE_PX = 44.0  # over which what the skin does dies away in hair and background
_STIFF_PX = 130.0  # and over which the background comes to rest
_BREATH_M = 0.0013
_HEAD_RISE = 0.55  # of what the shoulders do


@dataclass(frozen=True, slots=True)
class Bound:
    """A picture's cells."""

    corners: Integers  # [h, w, 3]
    shares: Array  # [h, w, 3]


@dataclass(frozen=True, slots=True)
class Field:
    """Vertices added where the plate shows no surface."""

    neutral: Array  # [n, 3]
    shapes: Array  # [U, n, 3]
    skull: Array  # [n]


@dataclass(frozen=True, slots=True)
class Lattice:
    """Vertices over the whole plate, at the middles of every third cell or so."""

    rows: int  # cells of the plate
    columns: int
    step: int  # plate pixels

    def knots(self) -> tuple[Integers, Integers]:
        """Rows and columns of the cells at which there is one."""
        down = np.arange(0, self.rows + _LATTICE, _LATTICE)
        across = np.arange(0, self.columns + _LATTICE, _LATTICE)
        return (
            np.minimum(down, self.rows - 1),
            np.minimum(across, self.columns - 1),
        )

    def around(self, spots: Array) -> tuple[Integers, Array]:
        """The half of a square that each pixel of ``[n, 2]`` is in, and its shares."""
        down, across = self.knots()
        b, u = _between(across, spots[:, 0] / self.step - 0.5)
        a, v = _between(down, spots[:, 1] / self.step - 0.5)
        wide = len(across)
        here, right, under = a * wide + b, a * wide + b + 1, (a + 1) * wide + b
        lower = u + v > 1
        corners = np.stack([np.where(lower, under + 1, here), right, under], -1)
        shares = np.where(
            lower[:, None],
            np.stack([u + v - 1, 1 - v, 1 - u], -1),
            np.stack([1 - u - v, u, v], -1),
        )
        return corners, shares


def _between(knots: Integers, at: Array) -> tuple[Integers, Array]:
    """Number of the knot before each place, and the share of the way to the next."""
    at = np.clip(at, knots[0], knots[-1])
    number = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    gap = np.maximum(knots[number + 1] - knots[number], 1)
    return number, np.clip((at - knots[number]) / gap, 0, 1)


def middles(left: int, top: int, rows: int, columns: int, step: int) -> Array:
    """Plate pixels in the middle of each cell: ``[rows * columns, 2]``."""
    x = left + (np.arange(columns) + 0.5) * step
    y = top + (np.arange(rows) + 0.5) * step
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)


def bind_closeup(
    geometry: Geometry, weights: Array, box: tuple[int, int, int, int], step: int,
    lattice: Lattice,
) -> Bound:  # fmt: skip
    """Cells of a key picture; ``box`` is left, top, right, bottom."""
    left, top, right, bottom = box
    rows, columns = (bottom - top) // step, (right - left) // step
    spots = middles(left, top, rows, columns, step)
    hits = behind(geometry, geometry.posed(weights), spots)
    return _bound(hits, lattice, spots, len(geometry.neutral), (rows, columns))


def bind_plate(
    geometry: Geometry, alpha: Array, step: int
) -> tuple[Bound, Field, Array]:
    """
    Cells of the whole plate, the vertices that had to be added, and the rise of all.

    ``alpha`` ``[H, W]`` 0..1 of the plate.
    """
    rows, columns = alpha.shape[0] // step, alpha.shape[1] // step
    spots = middles(0, 0, rows, columns, step)
    hits = behind(geometry, geometry.neutral, spots)
    found = hits.found.reshape(rows, columns)
    cover = alpha[: rows * step, : columns * step]
    cover = cover.reshape(rows, step, columns, step).mean((1, 3))
    corners = hits.corners.reshape(rows, columns, 3)
    shares = hits.shares.reshape(rows, columns, 3)
    field = _field(geometry, found, cover, corners, shares, spots, step)
    bound = _bound(
        hits, Lattice(rows, columns, step), spots, len(geometry.neutral), found.shape
    )
    return bound, field, _rise(geometry, field, found, cover, step)


def _bound(
    hits: Hits, lattice: Lattice, spots: Array, count: int, shape: tuple[int, ...]
) -> Bound:
    """To the surface where there is one, else to the lattice from ``count`` on."""
    corners, shares = lattice.around(spots)
    found = hits.found[:, None]
    corners = np.where(found, hits.corners, corners + count)
    shares = np.where(found, hits.shares, shares)
    return Bound(corners.reshape(*shape, 3), shares.reshape(*shape, 3))


def _nearest(found: npt.NDArray[np.bool_]) -> tuple[Integers, ...]:
    at: Integers = ndimage.distance_transform_edt(
        ~found, return_distances=False, return_indices=True
    )
    return tuple(at)


def _field(
    geometry: Geometry, found: npt.NDArray[np.bool_], cover: Array,
    corners: Integers, shares: Array, spots: Array, step: int,
) -> Field:  # fmt: skip
    rows, columns = found.shape
    down, across = Lattice(rows, columns, step).knots()
    i, j = (grid.ravel() for grid in np.meshgrid(down, across, indexing="ij"))
    near = _nearest(found)
    away = ndimage.distance_transform_edt(~found) * step
    sure = corners[near], shares[near]  # of every cell, its nearest surface

    def smooth(values: Array) -> Array:
        return ndimage.gaussian_filter(values, [2.5, 2.5, *[0] * (values.ndim - 2)])

    def carried(values: Array) -> Array:
        return np.einsum("hwc...,hwc->hw...", values[sure[0]], sure[1])

    place = carried(geometry.neutral)
    depth = smooth(np.linalg.norm(place - geometry.eye(), axis=-1))
    inside = cover > 0.35
    stiff = np.exp(-((ndimage.distance_transform_edt(~inside) * step / _STIFF_PX) ** 2))
    skull = smooth(carried(geometry.skull)) * stiff
    fade = np.exp(-((away / _FADE_PX) ** 2))
    shapes = np.zeros((len(geometry.shapes), len(i), 3))
    for row, shape in enumerate(geometry.shapes):
        if np.abs(shape).max() > 0:
            shapes[row] = (smooth(carried(shape)) * fade[..., None])[i, j]
    rays = geometry.rays(spots).reshape(rows, columns, 3)
    neutral = geometry.eye() + rays[i, j] * depth[i, j, None]
    return Field(neutral, shapes, skull[i, j])


def _rise(
    geometry: Geometry, field: Field, found: npt.NDArray[np.bool_], cover: Array,
    step: int,
) -> Array:  # fmt: skip
    rows, columns = found.shape
    down, across = Lattice(rows, columns, step).knots()
    i, j = (grid.ravel() for grid in np.meshgrid(down, across, indexing="ij"))
    inside = ndimage.gaussian_filter((cover > 0.35).astype(float), 1.5)
    away = ndimage.distance_transform_edt(cover <= 0.35) * step
    rest = np.maximum(inside, np.exp(-((away / 30.0) ** 2)))[i, j]
    body = 1 - (1 - _HEAD_RISE) * np.concatenate([geometry.skull, field.skull])
    body[len(geometry.neutral) :] *= rest
    return body


def breath() -> Array:
    """World displacement of a full breath."""
    return np.array([0.0, 0.0, _BREATH_M])
