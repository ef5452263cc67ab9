"""Where every point of a person is in any expression, and which a pixel shows."""

from collections.abc import Mapping
from dataclasses import dataclass

import bpy  # noqa: F401  # brings mathutils
import numpy as np
import numpy.typing as npt
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from renderer.arkit import UNITS
from studio.objects import Surface
from studio.scene import Scene

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_GAZES = {
    "gazeRight": (1.0, 0.0), "gazeLeft": (-1.0, 0.0),
    "gazeUp": (0.0, 1.0), "gazeDown": (0.0, -1.0),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Geometry:
    """All surfaces as one mesh; world units."""

    neutral: Array  # [V, 3]
    shapes: Array  # [U, V, 3]
    triangles: Integers  # [T, 3]
    skull: Array  # [V]
    surface: Integers  # [V]: number of the surface in `names`
    names: tuple[str, ...]
    camera: Array  # [3, 4]
    pivot: Array  # [3]

    def posed(self, weights: Array) -> Array:
        """``[U]`` -> ``[V, 3]``."""
        moved: Array = self.neutral + np.tensordot(weights, self.shapes, 1)
        return moved

    def seen(self, points: Array) -> Array:
        """World ``[..., 3]`` -> plate pixels ``[..., 2]``."""
        clip = points @ self.camera[:, :3].T + self.camera[:, 3]
        pixels: Array = clip[..., :2] / clip[..., 2:]
        return pixels

    def eye(self) -> Array:
        """Where the camera stands."""
        centre: Array = -np.linalg.solve(self.camera[:, :3], self.camera[:, 3])
        return centre

    def rays(self, pixels: Array) -> Array:
        """Plate pixels ``[n, 2]`` -> directions ``[n, 3]`` of length 1."""
        flat = np.concatenate([pixels, np.ones((len(pixels), 1))], 1)
        away = np.linalg.solve(self.camera[:, :3], flat.T).T
        ahead = (self.neutral.mean(0) - self.eye()) @ away[0]
        away *= np.sign(ahead) / np.linalg.norm(away, axis=1, keepdims=True)
        return away


def survey(scene: Scene) -> Geometry:
    """Every unit is posed once and measured. Leaves the scene neutral."""
    parts = _pose(scene, {}, (0.0, 0.0))
    neutral = np.concatenate([part.vertices for part in parts])
    shapes = np.zeros((len(UNITS), *neutral.shape))
    for row, unit in enumerate(UNITS):
        gaze = _GAZES.get(unit, (0.0, 0.0))
        weights = {} if unit in _GAZES else {unit: 1.0}
        posed = _pose(scene, weights, gaze)
        shapes[row] = np.concatenate([part.vertices for part in posed]) - neutral
    _pose(scene, {}, (0.0, 0.0))
    first = np.cumsum([0] + [len(part.vertices) for part in parts])
    return Geometry(
        neutral=neutral,
        shapes=shapes,
        triangles=np.concatenate(
            [part.triangles + at for part, at in zip(parts, first[:-1], strict=True)]
        ).astype(np.int64),
        skull=np.concatenate([scene.head_weight(part.name) for part in parts]),
        surface=np.repeat(np.arange(len(parts)), np.diff(first)),
        names=tuple(part.name for part in parts),
        camera=np.asarray(scene.camera_matrix(), np.float64),
        pivot=np.asarray(scene.pivot(), np.float64),
    )


@dataclass(frozen=True, slots=True)
class Hits:
    """What lies behind some pixels; where nothing does, ``found`` is false."""

    found: npt.NDArray[np.bool_]  # [n]
    corners: Integers  # [n, 3]: vertices
    shares: Array  # [n, 3]: of each; sum 1


def behind(geometry: Geometry, vertices: Array, pixels: Array) -> Hits:
    """What each of ``pixels`` ``[n, 2]`` shows of the posed ``vertices`` ``[V, 3]``."""
    tree = BVHTree.FromPolygons(vertices.tolist(), geometry.triangles.tolist())
    eye = Vector(geometry.eye())
    found = np.zeros(len(pixels), bool)
    corners = np.zeros((len(pixels), 3), np.int64)
    shares = np.zeros((len(pixels), 3))
    for i, ray in enumerate(geometry.rays(pixels)):
        spot, _, triangle, _ = tree.ray_cast(eye, Vector(ray))
        if spot is not None:
            found[i] = True
            corners[i] = geometry.triangles[triangle]
            shares[i] = _shares(vertices[corners[i]], np.array(spot))
    return Hits(found, corners, shares)


def _shares(corners: Array, spot: Array) -> Array:
    """Barycentric coordinates of a spot in a triangle."""
    a, b = corners[1] - corners[0], corners[2] - corners[0]
    c = spot - corners[0]
    aa, ab, bb, ca, cb = a @ a, a @ b, b @ b, c @ a, c @ b
    size = aa * bb - ab * ab
    if size <= 0:
        return np.array([1.0, 0.0, 0.0])
    v, w = (bb * ca - ab * cb) / size, (aa * cb - ab * ca) / size
    shares: Array = np.clip([1 - v - w, v, w], 0, 1)
    return shares / shares.sum()


def _pose(
    scene: Scene, weights: Mapping[str, float], gaze: tuple[float, float]
) -> list[Surface]:
    scene.pose(weights, gaze=gaze)
    return scene.surfaces()
