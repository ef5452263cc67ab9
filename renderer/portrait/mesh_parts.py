"""
Cells of the images of one box, prepared for a frame size.

A rig has one mesh for the base image and one for each close-up. What it needs of the
package is computed here once, with numpy: both native code and torch draw with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from renderer.portrait.model import Cells, Floats, Surface

_SMOOTHING_PX = 20.0  # base-image pixels over which rigid motion is smoothed
# Channels of `MeshParts.rigid`: position from the pivot, homogeneous pixel, head
# weight, breath weight, pixel.
RIGID_CHANNELS = (3, 3, 1, 1, 2)

Edges = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class MeshParts:
    """``K`` images of one box: their cells, and the nodes to evaluate them at."""

    vertex_count: int
    corner: tuple[float, float]  # left top corner of all images, base-image pixels
    cell_size: float
    centres: Floats  # [2, h, w]: of the cells
    triangles: npt.NDArray[np.int32]  # [K, h * w, n]
    barycentric: Floats  # [K, h * w, n]
    hidden: npt.NDArray[np.bool_]  # [h, w]: cells that no pixel shows
    nodes: Floats  # [2, rows, columns]: base-image pixels
    rigid: Floats  # [K, 10, h * w]: `RIGID_CHANNELS`

    @classmethod
    def of(
        cls, surface: Surface, cells: Cells, weights: Floats,
        corner: tuple[float, float], nodes: Floats, hidden: Sequence[Edges] = (),
    ) -> "MeshParts":  # fmt: skip
        """
        Prepare the ``K`` images that ``cells`` belong to.

        ``weights`` ``[K, U]``: unit weights that each image shows; ``hidden``: edges
        of parts of the images that no pixel shows, in base-image pixels.
        """
        rows, columns = cells.triangles.shape[-3:-1]
        left, top = corner
        x = (np.arange(columns, dtype=np.float32) + 0.5) * cells.step + left
        y = (np.arange(rows, dtype=np.float32) + 0.5) * cells.step + top
        centres = np.stack(np.meshgrid(x, y)).astype(np.float32)
        bound = (-1, rows * columns, cells.triangles.shape[-1])
        triangles = cells.triangles.reshape(bound)
        barycentric = cells.barycentric.reshape(bound)
        rigid = _rigid_channels(
            surface, weights, triangles, barycentric, (rows, columns), cells.step
        )
        return cls(
            vertex_count=len(surface.neutral), corner=corner, cell_size=cells.step,
            centres=centres, triangles=triangles, barycentric=barycentric,
            hidden=_inside(centres, hidden), nodes=nodes, rigid=rigid,
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        rows, columns = self.hidden.shape
        return rows, columns


def interpolate(
    values: Floats, triangles: npt.NDArray[np.int32], barycentric: Floats
) -> Floats:
    """
    Return values of vertices ``[V, C]`` at the cells of one image, ``[C, h * w]``.

    ``triangles`` and ``barycentric`` are those of the image, ``[h * w, n]``.
    """
    at_cells = np.zeros((len(triangles), values.shape[1]), np.float32)
    for vertices, weights in zip(triangles.T, barycentric.T, strict=True):
        at_cells += values[vertices] * weights[:, None]
    return at_cells.T


def _rigid_channels(
    surface: Surface, weights: Floats, triangles: npt.NDArray[np.int32],
    barycentric: Floats, shape: tuple[int, int], step: float,
) -> Floats:  # fmt: skip
    """
    Return the data of each cell for rotation and breath, ``[K, 10, n]``.

    `RIGID_CHANNELS` lists the channels. They are smoothed over the image: a rotated
    head shows the same image again, and a step in depth would tear it.
    """
    fixed = np.stack([surface.head_weight, surface.breath_weight], -1)
    channels = np.stack([
        interpolate(np.concat([vertices, fixed], 1), *cells)
        for vertices, *cells in zip(
            surface.deform(weights), triangles, barycentric, strict=True
        )
    ])  # fmt: skip
    smooth: npt.NDArray[np.floating] = channels.reshape(*channels.shape[:2], *shape)
    reach = round(_SMOOTHING_PX / step / 2)
    for _ in range(3):
        smooth = _mean_around(_mean_around(smooth, reach, 2), reach, 3)
    channels = smooth.astype(np.float32).reshape(channels.shape)
    position, weights_of_cells = channels[:, :3], channels[:, 3:]
    clip = surface.camera[:, :3] @ position + surface.camera[:, 3:]
    pixel = clip[:, :2] / clip[:, 2:]
    from_pivot = position - surface.pivot[:, None]
    rigid: Floats = np.concat([from_pivot, clip, weights_of_cells, pixel], 1)
    return rigid


def _mean_around(
    values: npt.NDArray[np.floating], reach: int, axis: int
) -> npt.NDArray[np.float64]:
    """Return the mean of each value and up to ``reach`` on both sides, on an axis."""
    count = values.shape[axis]
    first = np.maximum(np.arange(count) - reach, 0)
    end = np.minimum(np.arange(count) + reach + 1, count)
    sums = np.cumsum(values, axis, np.float64)
    sums = np.concat([np.zeros_like(sums.take([0], axis)), sums], axis)
    lengths = (end - first).reshape(-1, *(1,) * (values.ndim - axis - 1))
    means: npt.NDArray[np.float64]
    means = (sums.take(end, axis) - sums.take(first, axis)) / lengths
    return means


def _inside(points: Floats, boxes: Sequence[Edges]) -> npt.NDArray[np.bool_]:
    """Return which of the points ``[2, h, w]`` lie in one of the boxes: ``[h, w]``."""
    x, y = points
    inside = np.zeros(x.shape, np.bool_)
    for left, top, right, bottom in boxes:
        inside |= (x > left) & (x < right) & (y > top) & (y < bottom)
    return inside
