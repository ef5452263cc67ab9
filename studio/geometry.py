"""Geometry of a person: vertices in any expression, and the surface behind a pixel."""

from collections.abc import Mapping
from dataclasses import dataclass

import bpy  # noqa: F401  # makes mathutils importable
import numpy as np
import numpy.typing as npt
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from renderer.arkit import UNITS
from studio.mesh import Floats, Ints
from studio.objects import PosedMesh
from studio.scene import Scene

_GAZES = {
    "gazeRight": (1.0, 0.0), "gazeLeft": (-1.0, 0.0),
    "gazeUp": (0.0, 1.0), "gazeDown": (0.0, -1.0),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Geometry:
    """All meshes of a person joined into one, in world units (metres)."""

    neutral: Floats  # [V, 3]
    blendshapes: Floats  # [U, V, 3]: displacement by each of UNITS at weight 1
    triangles: Ints  # [T, 3]
    head_weight: Floats  # [V]: 1 turns with the head, 0 stays with the shoulders
    part: Ints  # [V]: index into `part_names`
    part_names: tuple[str, ...]
    camera: Floats  # [3, 4]: world -> homogeneous base-image pixels
    pivot: Floats  # [3]: the head turns about this point

    def deform(self, weights: Floats) -> Floats:
        """Return the vertices ``[V, 3]`` for unit weights ``[U]``."""
        moved: Floats = self.neutral + np.tensordot(weights, self.blendshapes, 1)
        return moved

    def project(self, points: Floats) -> Floats:
        """Return the base-image pixels ``[..., 2]`` of world points ``[..., 3]``."""
        clip = points @ self.camera[:, :3].T + self.camera[:, 3]
        pixels: Floats = clip[..., :2] / clip[..., 2:]
        return pixels

    def camera_position(self) -> Floats:
        """Return the world position of the camera."""
        centre: Floats = -np.linalg.solve(self.camera[:, :3], self.camera[:, 3])
        return centre

    def rays(self, pixels: Floats) -> Floats:
        """Return unit vectors ``[n, 3]`` from the camera through pixels ``[n, 2]``."""
        flat = np.concatenate([pixels, np.ones((len(pixels), 1))], 1)
        away = np.linalg.solve(self.camera[:, :3], flat.T).T
        ahead = (self.neutral.mean(0) - self.camera_position()) @ away[0]
        away *= np.sign(ahead) / np.linalg.norm(away, axis=1, keepdims=True)
        return away


def measure_geometry(scene: Scene) -> Geometry:
    """Pose every unit once and return the geometry. The scene is neutral afterwards."""
    parts = pose_meshes(scene, {}, (0.0, 0.0))
    neutral = np.concatenate([part.vertices for part in parts])
    blendshapes = np.zeros((len(UNITS), *neutral.shape))
    for row, unit in enumerate(UNITS):
        gaze = _GAZES.get(unit, (0.0, 0.0))
        weights = {} if unit in _GAZES else {unit: 1.0}
        posed = pose_meshes(scene, weights, gaze)
        blendshapes[row] = np.concatenate([part.vertices for part in posed]) - neutral
    pose_meshes(scene, {}, (0.0, 0.0))
    first = np.cumsum([0] + [len(part.vertices) for part in parts])
    return Geometry(
        neutral=neutral,
        blendshapes=blendshapes,
        triangles=np.concatenate(
            [
                part.triangles + offset
                for part, offset in zip(parts, first[:-1], strict=True)
            ]
        ).astype(np.int64),
        head_weight=np.concatenate([scene.head_weight(part.name) for part in parts]),
        part=np.repeat(np.arange(len(parts)), np.diff(first)),
        part_names=tuple(part.name for part in parts),
        camera=np.asarray(scene.camera_matrix(), np.float64),
        pivot=np.asarray(scene.pivot(), np.float64),
    )


@dataclass(frozen=True, slots=True)
class RayHits:
    """Triangles that rays through pixels hit; ``hit`` is false if there is none."""

    hit: npt.NDArray[np.bool_]  # [n]
    triangles: Ints  # [n, 3]: vertex numbers
    barycentric: Floats  # [n, 3]: weight of each vertex; the sum is 1


def cast_rays(geometry: Geometry, vertices: Floats, pixels: Floats) -> RayHits:
    """Cast rays through ``pixels`` ``[n, 2]`` at posed ``vertices`` ``[V, 3]``."""
    tree = BVHTree.FromPolygons(vertices.tolist(), geometry.triangles.tolist())
    camera = Vector(geometry.camera_position())
    hit = np.zeros(len(pixels), bool)
    triangles = np.zeros((len(pixels), 3), np.int64)
    barycentric = np.zeros((len(pixels), 3))
    for i, ray in enumerate(geometry.rays(pixels)):
        point, _, triangle, _ = tree.ray_cast(camera, Vector(ray))
        if point is not None:
            hit[i] = True
            triangles[i] = geometry.triangles[triangle]
            barycentric[i] = _barycentric(vertices[triangles[i]], np.array(point))
    return RayHits(hit, triangles, barycentric)


def _barycentric(corners: Floats, point: Floats) -> Floats:
    """Return the barycentric coordinates of a point in a triangle."""
    a, b = corners[1] - corners[0], corners[2] - corners[0]
    c = point - corners[0]
    aa, ab, bb, ca, cb = a @ a, a @ b, b @ b, c @ a, c @ b
    size = aa * bb - ab * ab
    if size <= 0:
        return np.array([1.0, 0.0, 0.0])
    v, w = (bb * ca - ab * cb) / size, (aa * cb - ab * ca) / size
    weights: Floats = np.clip([1 - v - w, v, w], 0, 1)
    return weights / weights.sum()


def pose_meshes(
    scene: Scene, weights: Mapping[str, float], gaze: tuple[float, float]
) -> list[PosedMesh]:
    """Set ARKit weights and gaze, and return the meshes in that pose."""
    scene.pose(weights, gaze=gaze)
    return scene.posed_meshes()
