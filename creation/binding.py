"""Binding of the plate's cells to the surface, also where the plate shows none."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Ints, Mask, Picture
from creation.fit.camera import camera_centre
from creation.images import blur, nearest, resized
from creation.keys.head import Head
from creation.keys.samples import cells
from creation.keys.view import View
from creation.vision.rings import CHIN, FOREHEAD
from renderer.arkit import UNITS
from renderer.portrait.lattice import (
    FADE_PX,
    PERSON,
    RISE_PX,
    STIFF_PX,
    Lattice,
    cell_centres,
)
from renderer.portrait.layout import BASE_CELL_PX
from renderer.portrait.packing import breath_weight

_SMOOTH_CELLS = 2.5  # sigma of motion and head weight
_NEAR_CELLS, _WIDE_CELLS = 3.0, 14.0  # sigmas of depth beside the surface, and far off
_BEHIND_M = 0.05  # behind the face: depth where there is nothing near
# Below the chin, in face heights: where the neck begins to stay behind, and how far
# below that shoulders are still.
_NECK_TOP, _NECK = 0.02, 0.65


@dataclass(frozen=True, slots=True)
class Fill:
    """Vertices that are added where the plate shows no surface."""

    lattice: Lattice  # of knots, one vertex each
    neutral: Floats  # [n, 3]
    shapes: Floats  # [56, n, 3]
    head_weight: Floats  # [n]
    breath_weight: Floats  # [n]


@dataclass(frozen=True, slots=True)
class PlateBinding:
    """Cells of the plate and the vertices that they need."""

    fill: Fill
    triangles: Ints  # [h, w, 3]; vertices of `fill` follow those of the head
    shares: Picture  # [h, w, 3]


def bind_plate(head: Head, person: Picture) -> PlateBinding:
    """Bind a plate; ``person`` ``[H, W]`` 0..1 tells where it shows the person."""
    plate = head.plate
    box = (0, 0, plate.width, plate.height)
    view = head.view(head.fitted.photo, box, BASE_CELL_PX)
    triangle, shares = cells(view, head.triangles, BASE_CELL_PX)
    fill = _fill(head, view, triangle, shares, person)
    rows, columns = triangle.shape
    points = cell_centres(0, 0, rows, columns, BASE_CELL_PX)
    bound = bind_cells(head, fill.lattice, triangle, shares, points)
    return PlateBinding(fill, *bound)


def bind_cells(
    head: Head, lattice: Lattice, triangle: Ints, shares: Picture, points: Floats
) -> tuple[Ints, Picture]:
    """
    Return vertices and shares ``[h, w, 3]`` of cells.

    ``triangle`` ``[h, w]`` is -1 where there is no surface: these cells show the
    pixels ``points`` ``[h * w, 2]`` of the plate, which move with the lattice.
    """
    knots, weights = lattice.bind(points)
    hit = (triangle >= 0)[..., None]
    count = len(head.donor.neutral)
    shape = (*triangle.shape, 3)
    corners = head.triangles[np.maximum(triangle, 0)]
    bound = np.where(hit, corners, knots.reshape(shape) + count)
    return bound.astype(np.int32), np.where(hit, shares, weights.reshape(shape))


def _fill(
    head: Head, view: View, triangle: Ints, shares: Picture, person: Picture
) -> Fill:
    rows, columns = triangle.shape
    lattice = Lattice(rows, columns, BASE_CELL_PX)
    down, across = lattice.knots()
    i, j = (grid.ravel() for grid in np.meshgrid(down, across, indexing="ij"))
    hit = triangle >= 0
    row, column, distance = nearest(hit)
    corners = head.triangles[triangle[row, column]]
    weights = shares[row, column]

    def carried(values: Floats) -> Floats:
        """Return values of the vertices at the nearest surface, ``[h, w, ...]``."""
        mixed: Floats = np.einsum("hwk...,hwk->hw...", values[corners], weights)
        return mixed

    fade = np.exp(-((distance * BASE_CELL_PX / FADE_PX) ** 2))
    shapes = np.zeros((len(UNITS), len(i), 3))
    for number, shape in enumerate(head.fitted.shapes):
        if np.abs(shape).max() > 0:
            smooth = blur(carried(shape), _SMOOTH_CELLS) * fade[..., None]
            shapes[number] = smooth[i, j]
    centre = camera_centre(head.fitted.camera)
    apart = np.linalg.norm(carried(head.fitted.photo) - centre, axis=-1)
    rays = _rays(head.fitted.camera, rows, columns, head.fitted.photo.mean(0))
    depth = _depth(apart, hit)
    places = centre + rays[i, j] * depth[i, j, None]
    neutral = places - np.tensordot(head.fitted.expression, shapes, 1)
    inside = resized(person, rows, columns) > PERSON
    beside = nearest(inside)[2] * BASE_CELL_PX if inside.any() else 0 * distance
    body = _body(head, rows, columns)
    weight = np.where(hit, np.minimum(carried(head.donor.skull), 1), body)
    head_weight = blur(weight, _SMOOTH_CELLS) * np.exp(-((beside / STIFF_PX) ** 2))
    moved = np.maximum(
        blur(inside.astype(np.float32), 1.5), np.exp(-((beside / RISE_PX) ** 2))
    )
    skull = head_weight[i, j].clip(0, 1)
    breath = breath_weight(skull) * moved[i, j]
    return Fill(lattice, neutral, shapes, skull, breath)


def _depth(apart: Floats, hit: Mask) -> Floats:
    """Return the distance from the camera of each cell, smooth beside the surface."""
    known = hit.astype(np.float32)
    near, wide = (
        blur(apart * known, sigma) / np.maximum(blur(known, sigma), 1e-6)
        for sigma in (_NEAR_CELLS, _WIDE_CELLS)
    )
    share = np.clip(3 * blur(known, _NEAR_CELLS), 0, 1)
    far = blur(known, _WIDE_CELLS) > 1e-4
    depth = share * near + (1 - share) * wide
    behind = float(np.median(apart[hit])) + _BEHIND_M
    return blur(np.where(far, depth, behind), _SMOOTH_CELLS).astype(np.float64)


def _body(head: Head, rows: int, columns: int) -> Floats:
    """Return how much each cell turns with the head by its height alone."""
    marks = head.plate.landmarks
    face = marks[CHIN, 1] - marks[FOREHEAD, 1]
    y = (np.arange(rows) + 0.5) * BASE_CELL_PX
    way = ((y - marks[CHIN, 1] - _NECK_TOP * face) / (_NECK * face)).clip(0, 1)
    return np.repeat((1 - way * way * (3 - 2 * way))[:, None], columns, 1)


def _rays(camera: Floats, rows: int, columns: int, towards: Floats) -> Floats:
    """Return the unit direction through each cell, ``[h, w, 3]``."""
    centres = cell_centres(0, 0, rows, columns, BASE_CELL_PX)
    pixels = np.concatenate([centres, np.ones((len(centres), 1))], 1)
    rays = (pixels @ np.linalg.inv(camera[:, :3]).T).reshape(rows, columns, 3)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    ahead = rays[rows // 2, columns // 2] @ (towards - camera_centre(camera))
    return np.asarray(rays * np.sign(ahead))
