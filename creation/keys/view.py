"""View of a posed mesh: pixels of its vertices, and what a camera sees of it."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Ints, Mask
from creation.fit.camera import project
from creation.raster import RasteredMesh, raster

Box = tuple[int, int, int, int]  # left, top, right, bottom; pixels
# Metres by which a point may lie behind what is seen and still count as seen.
TOLERANCE_M = 0.0025


@dataclass(frozen=True, slots=True)
class View:
    """Mesh as a camera sees it in a box of its picture."""

    xy: Floats  # [V, 2]: pixels of the vertices
    depth: Floats  # [V], metres
    mesh: RasteredMesh
    box: Box
    step: float  # pixels between two samples

    @classmethod
    def of(
        cls, vertices: Floats, camera: Floats, triangles: Ints, lift: Floats,
        box: Box, step: float = 1.0,
    ) -> "View":  # fmt: skip
        """``lift`` ``[V]`` is added to the depth of each vertex, metres."""
        xy, depth = project(vertices, camera)
        depth = depth + lift
        return cls(xy, depth, raster(xy, depth, triangles, box, step), box, step)

    def shows(
        self, xy: np.ndarray, depth: np.ndarray, tolerance: float = TOLERANCE_M
    ) -> Mask:
        """Return whether points at pixels ``[..., 2]`` are in front, ``[...]``."""
        column = np.floor((xy[..., 0] - self.box[0]) / self.step).astype(np.int64)
        row = np.floor((xy[..., 1] - self.box[1]) / self.step).astype(np.int64)
        rows, columns = self.mesh.depth.shape
        inside = (row >= 0) & (column >= 0) & (row < rows) & (column < columns)
        front = self.mesh.depth[row.clip(0, rows - 1), column.clip(0, columns - 1)]
        seen: Mask = inside & (depth < front + tolerance)
        return seen
