"""Binding of image cells to vertices, also where an image shows no surface."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from renderer.portrait.lattice import (
    FADE_PX,
    PERSON,
    RISE_PX,
    STIFF_PX,
    Lattice,
    cell_centres,
)
from renderer.portrait.packing import BoundCells, breath_weight
from studio.geometry import Geometry, RayHits, cast_rays
from studio.mesh import Floats, Ints


@dataclass(frozen=True, slots=True)
class FillVertices:
    """Vertices that are added where the base image shows no surface."""

    neutral: Floats  # [n, 3]
    blendshapes: Floats  # [U, n, 3]
    head_weight: Floats  # [n]


def bind_keyframe(
    geometry: Geometry, weights: Floats, box: tuple[int, int, int, int], step: int,
    lattice: Lattice,
) -> BoundCells:  # fmt: skip
    """Bind the cells of a keyframe; ``box`` is left, top, right, bottom."""
    left, top, right, bottom = box
    rows, columns = (bottom - top) // step, (right - left) // step
    points = cell_centres(left, top, rows, columns, step)
    hits = cast_rays(geometry, geometry.deform(weights), points)
    return _bind(hits, lattice, points, len(geometry.neutral), (rows, columns))


def bind_base_image(
    geometry: Geometry, alpha: Floats, step: int
) -> tuple[BoundCells, FillVertices, Floats]:
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
) -> BoundCells:
    """
    Bind cells to the surface if a ray hit it, else to the lattice.

    ``count`` is the number of the lattice's first vertex.
    """
    triangles, barycentric = lattice.bind(points)
    hit = hits.hit[:, None]
    triangles = np.where(hit, hits.triangles, triangles + count)
    barycentric = np.where(hit, hits.barycentric, barycentric)
    return BoundCells(triangles.reshape(*shape, 3), barycentric.reshape(*shape, 3))


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
    inside = cover > PERSON
    stiff = np.exp(-((ndimage.distance_transform_edt(~inside) * step / STIFF_PX) ** 2))
    head_weight = smooth(interpolate(geometry.head_weight)) * stiff
    fade = np.exp(-((distance / FADE_PX) ** 2))
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
    inside = ndimage.gaussian_filter((cover > PERSON).astype(float), 1.5)
    distance = ndimage.distance_transform_edt(cover <= PERSON) * step
    fade = np.maximum(inside, np.exp(-((distance / RISE_PX) ** 2)))[i, j]
    weight = breath_weight(np.concatenate([geometry.head_weight, fill.head_weight]))
    weight[len(geometry.neutral) :] *= fade
    return weight
