"""Samples of a keyframe: the points at which colours are computed."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Ints, Mask, Picture, Whole
from creation.keys.view import View
from renderer.portrait.lattice import cell_centres

FINE = 2  # samples per pixel and axis where surfaces meet
_STEP_M = 0.002  # of depth within a pixel: two surfaces meet
_FLAT_PX2 = 1e-9  # twice the area of a triangle that is seen from its side


@dataclass(frozen=True, slots=True)
class Samples:
    """
    Centres of all pixels of a box, then four points in each pixel on an edge.

    An edge is where parts meet, or where one surface passes in front of another.
    """

    triangle: Ints  # [N]: -1 outside of the mesh
    shares: Picture  # [N, 3]
    at: Floats  # [N, 2]: pixels
    pixel: np.ndarray  # [N]: number of the pixel in the box
    shape: tuple[int, int]  # rows and columns of the box

    @classmethod
    def of(cls, view: View, triangles: Ints, part: np.ndarray) -> "Samples":
        """
        Return the samples of a view with `FINE` samples per pixel and axis.

        ``part`` ``[T]`` is the surface number of each triangle.
        """
        fine = view.mesh.triangle
        rows, columns = fine.shape[0] // FINE, fine.shape[1] // FINE
        pixels = np.arange(rows * columns)
        edge = _edges(view, part).ravel()
        left, top = view.box[:2]
        centres = np.stack(
            [left + pixels % columns + 0.5, top + pixels // columns + 0.5], -1
        )
        nearest = _first(fine, rows, columns).ravel()
        inner = _shares(view.xy, triangles, nearest, centres)
        four = _blocks(fine).reshape(-1, FINE**2)[edge]
        exact = _blocks(view.mesh.shares).reshape(-1, FINE**2, 3)[edge]
        steps = (np.arange(FINE) + 0.5) / FINE - 0.5
        offset = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
        around = centres[edge][:, None] + offset
        return cls(
            np.concatenate([nearest, four.ravel()]),
            np.concatenate([inner, exact.reshape(-1, 3)]),
            np.concatenate([centres, around.reshape(-1, 2)]),
            np.concatenate([pixels, np.repeat(pixels[edge], FINE**2)]),
            (rows, columns),
        )

    def only(self, chosen: Whole) -> "Samples":
        """Return some of the samples; they have no pictures."""
        return Samples(
            self.triangle[chosen], self.shares[chosen], self.at[chosen],
            self.pixel[chosen], (0, 0),
        )  # fmt: skip

    @property
    def count(self) -> int:
        """Return the number of pixels, whose centres are the first samples."""
        return self.shape[0] * self.shape[1]

    def around(self, pixels: Whole, margin: int) -> tuple[slice, slice]:
        """Return rows and columns of the box around some ``pixels`` ``[n]``, n > 0."""
        rows, columns = np.divmod(pixels, self.shape[1])
        top, left = (max(int(at.min()) - margin, 0) for at in (rows, columns))
        bottom, right = (int(at.max()) + margin for at in (rows, columns))
        return slice(top, bottom), slice(left, right)

    def grid(self, values: np.ndarray) -> Picture:
        """Return the values ``[N, ...]`` at the centres as a picture."""
        chosen = values[: self.count]
        return np.ascontiguousarray(
            chosen.reshape(*self.shape, *values.shape[1:]), np.float32
        )

    def ungrid(self, picture: np.ndarray) -> np.ndarray:
        """Return the values ``[N, ...]`` of each sample's pixel."""
        flat = picture.reshape(self.count, *picture.shape[2:])
        values: np.ndarray = flat[self.pixel]
        return values

    def picture(self, colours: Picture) -> Picture:
        """Return colours ``[N, C]`` as a picture, the mean of four at edges."""
        out = colours[: self.count].copy()
        four = colours[self.count :].reshape(-1, FINE**2, colours.shape[1])
        out[self.pixel[self.count :: FINE**2]] = four.mean(1)
        return out.reshape(*self.shape, -1)

    def carried(self, triangles: Ints, values: np.ndarray) -> Picture:
        """Return values ``[V, C]`` of the vertices at each sample, ``[N, C]``."""
        corners = triangles[np.maximum(self.triangle, 0)]
        mixed: Picture = values[corners[:, 0]] * self.shares[:, :1]
        for k in (1, 2):
            mixed += values[corners[:, k]] * self.shares[:, k : k + 1]
        return mixed


def _blocks(fine: np.ndarray) -> np.ndarray:
    """Return ``[h, w, FINE * FINE, ...]``: the samples of each pixel, row by row."""
    rows, columns = fine.shape[0] // FINE, fine.shape[1] // FINE
    blocks = fine.reshape(rows, FINE, columns, FINE, *fine.shape[2:])
    return blocks.swapaxes(1, 2).reshape(rows, columns, FINE**2, *fine.shape[2:])


def _first(fine: Ints, rows: int, columns: int) -> Ints:
    """Return a triangle of each pixel ``[h, w]``; -1 if none of its samples hits."""
    blocks = _blocks(fine)
    chosen = (blocks >= 0).argmax(-1)
    first: Ints = np.take_along_axis(blocks, chosen[..., None], -1)[..., 0]
    return first


def _edges(view: View, part: np.ndarray) -> Mask:
    """Return which pixels ``[h, w]`` lie on an edge."""
    triangle = _blocks(view.mesh.triangle)
    kinds = np.where(triangle >= 0, part[np.maximum(triangle, 0)].astype(int), -1)
    depth = _blocks(view.mesh.depth)
    hit = np.isfinite(depth)
    far = np.where(hit, depth, -np.inf).max(-1)
    near = np.where(hit, depth, np.inf).min(-1)
    edge: Mask = (kinds != kinds[..., :1]).any(-1) | (far - near > _STEP_M)
    return edge


def _shares(xy: Floats, triangles: Ints, triangle: Ints, points: Floats) -> Picture:
    """Return the barycentric weights ``[N, 3]`` of points, limited to the triangle."""
    a, b, c = (xy[triangles[np.maximum(triangle, 0), k]] for k in range(3))
    area = _cross(b - a, c - a)
    area = np.where(np.abs(area) < _FLAT_PX2, 1.0, area)
    second = _cross(points - a, c - a) / area
    third = _cross(b - a, points - a) / area
    shares = np.clip(np.stack([1 - second - third, second, third], -1), 0, 1)
    shares /= np.maximum(shares.sum(-1, keepdims=True), 1e-9)
    return shares.astype(np.float32)


def _cross(a: Floats, b: Floats) -> Floats:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def cells(view: View, triangles: Ints, side: int) -> tuple[Ints, Picture]:
    """
    Return the triangle and the shares at the centres of cells of ``side`` pixels.

    ``[h, w]`` with -1 outside of the mesh, and ``[h, w, 3]``. ``side`` is a multiple
    of the view's step.
    """
    per_cell = round(side / view.step)
    chosen = view.mesh.triangle[per_cell // 2 :: per_cell, per_cell // 2 :: per_cell]
    rows, columns = chosen.shape
    points = cell_centres(*view.box[:2], rows, columns, side)
    shares = _shares(view.xy, triangles, chosen.ravel(), points)
    return chosen, shares.reshape(rows, columns, 3)
