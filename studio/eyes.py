"""Eyeballs and corneas, which turn about the centre of each eye."""

from dataclasses import dataclass

import numpy as np

from studio.human import LEFT_EYE, RIGHT_EYE, Human
from studio.mesh import Floats, Ints, Proxy

GAZE_DEG = (22.0, 16.0)  # rotation at gaze 1, horizontal and vertical


@dataclass(frozen=True, slots=True)
class Eyes:
    """Mesh of both eyeballs. Its islands are the parts, two of which are corneas."""

    proxy: Proxy
    island: Ints  # [V]: number of the island of each vertex
    corneas: tuple[int, int]  # islands: left, right
    inward_deg: float  # by which the eyes converge at gaze 0

    def material_slots(self) -> list[int]:
        """Return the material of each face: 1 for a cornea, else 0."""
        faces = self.proxy.mesh.faces
        return [int(self.island[f[0]] in self.corneas) for f in faces]

    def fit(self, base: Floats, gaze: tuple[float, float]) -> Floats:
        """Return the vertices on a posed base mesh, turned by ``gaze`` -1..1."""
        vertices = self.proxy.fit(base)
        for sign, helper in ((1.0, LEFT_EYE), (-1.0, RIGHT_EYE)):
            own = np.sign(vertices[:, 0]) == sign
            centre = (base[helper].max(0) + base[helper].min(0)) / 2
            yaw = np.radians(gaze[0] * GAZE_DEG[0] - sign * self.inward_deg)
            pitch = np.radians(gaze[1] * GAZE_DEG[1])
            vertices[own] = _turned(vertices[own] - centre, yaw, pitch) + centre
        return vertices


def eyes(human: Human) -> Eyes:
    """Return the eyeballs of ``human``."""
    proxy = human.proxy("eyes", "high-poly")
    island = proxy.mesh.islands()
    at = proxy.fit(human.rest)
    parts = [(k, at[island == k]) for k in np.unique(island)]
    left, right = (
        # The cornea reaches furthest to the front of all parts of its eye.
        max((p for p in parts if np.sign(p[1][:, 0].mean()) == s), key=_frontmost)[0]
        for s in (1.0, -1.0)
    )
    return Eyes(proxy, island, (int(left), int(right)), human.person.gaze_inward_deg)


def _frontmost(part: tuple[int, Floats]) -> float:
    return float(part[1][:, 2].max())


def _turned(points: Floats, yaw: float, pitch: float) -> Floats:
    """Return points turned right by ``yaw`` and up by ``pitch``, in image terms."""
    x, y, z = points.T
    y, z = y * np.cos(pitch) + z * np.sin(pitch), z * np.cos(pitch) - y * np.sin(pitch)
    x, z = x * np.cos(yaw) + z * np.sin(yaw), z * np.cos(yaw) - x * np.sin(yaw)
    return np.stack([x, y, z], 1)
