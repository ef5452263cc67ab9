"""Binding of image cells to vertices, also where an image shows no surface."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from studio.geometry import Geometry, RayHits, cast_rays
from studio.mesh import Floats, Ints

_LATTICE_CELLS = 3  # cells of the base image from one added vertex to the next
# Base-image pixels over which the skin's expression fades out in hair and background.
_FADE_PX = 44.0
# Base-image pixels over which the head's rotation fades out in the background.
_STIFF_PX = 130.0
_BREATH_M = 0.0013  # rise of the shoulders by a full breath
_HEAD_RISE = 0.55  # of the head by a breath, as a fraction of the shoulders' rise


@dataclass(frozen=True, slots=True)
class CellBinding:
    """Triangles that the cells of one image are bound to."""

    triangles: Ints  # [h, w, 3]: vertex numbers
    barycentric: Floats  # [h, w, 3]: weight of each vertex; the sum is 1


@dataclass(frozen=True, slots=True)
class FillVertices:
    """Vertices that are added where the base image shows no surface."""

    neutral: Floats  # [n, 3]
    blendshapes: Floats  # [U, n, 3]
    head_weight: Floats  # [n]


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


def bind_keyframe(
    geometry: Geometry, weights: Floats, box: tuple[int, int, int, int], step: int,
    lattice: Lattice,
) -> CellBinding:  # fmt: skip
    """Bind the cells of a keyframe; ``box`` is left, top, right, bottom."""
    left, top, right, bottom = box
    rows, columns = (bottom - top) // step, (right - left) // step
    points = cell_centres(left, top, rows, columns, step)
    hits = cast_rays(geometry, geometry.deform(weights), points)
    return _bind(hits, lattice, points, len(geometry.neutral), (rows, columns))


def bind_base_image(
    geometry: Geometry, alpha: Floats, step: int
) -> tuple[CellBinding, FillVertices, Floats]:
    """
    Bind the cells of the base image.

    Return the binding, the vertices that were added, and the breath weight of all
    vertices. ``alpha`` ``[H, W]`` 0..1 is that of the base image.
    """
    rows, columns = alpha.shape[0] // step, alpha.shape[1] // step
    points = cell_centres(0, 0, rows, columns, step)
    hits = cast_rays(geometry, geometry.neutral, points)
    hit = hits.hit.reshape(rows, columns)
    cover = alpha[: rows * step, : columns * step]
    cover = cover.reshape(rows, step, columns, step).mean((1, 3))
    triangles = hits.triangles.reshape(rows, columns, 3)
    barycentric = hits.barycentric.reshape(rows, columns, 3)
    fill = _fill_vertices(geometry, hit, cover, triangles, barycentric, points, step)
    binding = _bind(
        hits, Lattice(rows, columns, step), points, len(geometry.neutral), hit.shape
    )
    return binding, fill, _breath_weight(geometry, fill, hit, cover, step)


def _bind(
    hits: RayHits, lattice: Lattice, points: Floats, count: int, shape: tuple[int, ...]
) -> CellBinding:
    """
    Bind cells to the surface if a ray hit it, else to the lattice.

    ``count`` is the number of the lattice's first vertex.
    """
    triangles, barycentric = lattice.bind(points)
    hit = hits.hit[:, None]
    triangles = np.where(hit, hits.triangles, triangles + count)
    barycentric = np.where(hit, hits.barycentric, barycentric)
    return CellBinding(triangles.reshape(*shape, 3), barycentric.reshape(*shape, 3))


def _nearest(mask: npt.NDArray[np.bool_]) -> tuple[Ints, ...]:
    """Return the index of the nearest true cell for each cell."""
    indices: Ints = ndimage.distance_transform_edt(
        ~mask, return_distances=False, return_indices=True
    )
    return tuple(indices)


def _fill_vertices(
    geometry: Geometry, hit: npt.NDArray[np.bool_], cover: Floats,
    triangles: Ints, barycentric: Floats, points: Floats, step: int,
) -> FillVertices:  # fmt: skip
    rows, columns = hit.shape
    down, across = Lattice(rows, columns, step).knots()
    i, j = (grid.ravel() for grid in np.meshgrid(down, across, indexing="ij"))
    near = _nearest(hit)
    distance = ndimage.distance_transform_edt(~hit) * step
    surface = triangles[near], barycentric[near]  # nearest to each cell

    def smooth(values: Floats) -> Floats:
        return ndimage.gaussian_filter(values, [2.5, 2.5, *[0] * (values.ndim - 2)])

    def interpolate(values: Floats) -> Floats:
        return np.einsum("hwc...,hwc->hw...", values[surface[0]], surface[1])

    position = interpolate(geometry.neutral)
    depth = smooth(np.linalg.norm(position - geometry.camera_position(), axis=-1))
    inside = cover > 0.35
    stiff = np.exp(-((ndimage.distance_transform_edt(~inside) * step / _STIFF_PX) ** 2))
    head_weight = smooth(interpolate(geometry.head_weight)) * stiff
    fade = np.exp(-((distance / _FADE_PX) ** 2))
    blendshapes = np.zeros((len(geometry.blendshapes), len(i), 3))
    for row, shape in enumerate(geometry.blendshapes):
        if np.abs(shape).max() > 0:
            blendshapes[row] = (smooth(interpolate(shape)) * fade[..., None])[i, j]
    rays = geometry.rays(points).reshape(rows, columns, 3)
    neutral = geometry.camera_position() + rays[i, j] * depth[i, j, None]
    return FillVertices(neutral, blendshapes, head_weight[i, j])


def _breath_weight(
    geometry: Geometry, fill: FillVertices, hit: npt.NDArray[np.bool_], cover: Floats,
    step: int,
) -> Floats:  # fmt: skip
    rows, columns = hit.shape
    down, across = Lattice(rows, columns, step).knots()
    i, j = (grid.ravel() for grid in np.meshgrid(down, across, indexing="ij"))
    inside = ndimage.gaussian_filter((cover > 0.35).astype(float), 1.5)
    distance = ndimage.distance_transform_edt(cover <= 0.35) * step
    fade = np.maximum(inside, np.exp(-((distance / 30.0) ** 2)))[i, j]
    weight = 1 - (1 - _HEAD_RISE) * np.concatenate(
        [geometry.head_weight, fill.head_weight]
    )
    weight[len(geometry.neutral) :] *= fade
    return weight


def breath_offset() -> Floats:
    """Return the world displacement of the shoulders by a full breath, metres."""
    return np.array([0.0, 0.0, _BREATH_M])
