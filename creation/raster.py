"""Raster of a triangle mesh: the nearest triangle at every pixel, by a depth buffer."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from creation.arrays import Floats, Ints, Whole

# A sample on the edge of two triangles belongs to both: rounding must not give it to
# neither.
_EDGE = 1e-9
_MIN_AREA = 1e-12  # of a triangle, in pixels; a smaller one is seen from its side
_CHUNK = 1 << 20  # pairs of triangle and pixel that are in memory at a time
_NOTHING = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class RasteredMesh:
    """Mesh as a camera sees it, sampled at the centres of pixels."""

    triangle: Ints  # [H, W]: row of `triangles`, -1 where there is none
    shares: npt.NDArray[np.float32]  # [H, W, 3]: weight of each corner; 0 outside
    depth: npt.NDArray[np.float32]  # [H, W]: inf outside

    @property
    def hit(self) -> npt.NDArray[np.bool_]:
        """Return where there is a triangle, [H, W]."""
        return self.triangle >= 0

    def interpolate(
        self, triangles: Ints, values: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.float32]:
        """
        Return values ``[V, ...]`` of the vertices at every pixel, ``[H, W, ...]``.

        ``triangles`` are those that were rastered. Pixels outside are 0.
        """
        corners = triangles[np.maximum(self.triangle, 0)]
        per_corner = values.astype(np.float32)[corners]
        mixed: npt.NDArray[np.float32] = np.einsum(
            "hwk...,hwk->hw...", per_corner, self.shares
        )
        return mixed


def raster(
    xy: Floats,
    depth: Floats,
    triangles: Ints,
    box: tuple[float, float, float, float],
    step: float = 1.0,
) -> RasteredMesh:
    """
    Draw a mesh into ``box`` (left, top, right, bottom; pixels).

    ``xy`` ``[V, 2]`` are pixels of the vertices, ``depth`` ``[V]`` grows away from the
    camera, ``triangles`` ``[T, 3]`` are vertex numbers. ``step`` is the distance of two
    samples; the first one is half a step inside the box. Of triangles with the same
    depth the first one wins. Shares are linear in the picture: triangles are small
    against their distance.
    """
    left, top, right, bottom = box
    columns, rows = round((right - left) / step), round((bottom - top) / step)
    at = (xy - np.array([left, top])) / step - 0.5  # pixel centres are integers
    planes = _Planes.of(at[triangles], depth[triangles])
    first, count = _boxes(at[triangles], rows, columns)
    pairs = count.prod(1) * planes.usable
    ends = np.cumsum(pairs)
    front = torch.full((rows * columns,), _NOTHING, dtype=torch.int64)
    begin = 0
    while begin < len(triangles):
        done = ends[begin - 1] if begin else 0
        end = int(np.searchsorted(ends, done + _CHUNK, side="right"))
        chosen = np.arange(begin, max(end, begin + 1))
        row = np.repeat(chosen, pairs[chosen])
        order = np.arange(len(row)) - np.repeat(ends[chosen] - pairs[chosen] - done,
                                                pairs[chosen])  # fmt: skip
        wide = count[row, 0]
        x, y = first[row, 0] + order % wide, first[row, 1] + order // wide
        a, b = planes.share(0, row, x, y), planes.share(1, row, x, y)
        inside = (a >= -_EDGE) & (b >= -_EDGE) & (a + b <= 1 + _EDGE)
        row, x, y = row[inside], x[inside], y[inside]
        # Bits of positive floats are in the order of their values; the triangle's
        # number decides between equal ones.
        bits = planes.depth(row, x, y).astype(np.float32).view(np.int32)
        front.scatter_reduce_(
            0, torch.from_numpy(y * columns + x),
            torch.from_numpy((bits.astype(np.int64) << 32) | row), "amin",
        )  # fmt: skip
        begin = chosen[-1] + 1
    return planes.mesh(front.numpy(), rows, columns)


def _boxes(
    corners: Floats, rows: int, columns: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the first pixel and the number of pixels, x and y, of each triangle."""
    size = np.array([columns, rows])
    # NumPy takes six times as long for the minimum over an axis of three.
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    least, most = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    low = np.ceil(least - _EDGE).clip(0, size).astype(np.int64)
    high = np.floor(most + _EDGE).clip(-1, size - 1).astype(np.int64)
    return low, (high - low + 1).clip(0)


@dataclass(frozen=True, slots=True)
class _Planes:
    """Shares of the first two corners, and depth, as linear functions of the pixel."""

    factors: Floats  # [3, 3, T]: share, share, depth; constant, per x, per y
    usable: npt.NDArray[np.bool_]  # [T]: not seen from its side

    @classmethod
    def of(cls, corners: Floats, depth: Floats) -> "_Planes":
        """``corners`` ``[T, 3, 2]`` in pixels, ``depth`` ``[T, 3]``."""
        (ax, ay), (bx, by), (cx, cy) = (corners[:, k].T for k in range(3))
        area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy)
        usable = np.abs(area) >= _MIN_AREA
        area = np.where(usable, area, 1.0)
        across = np.stack([by - cy, cy - ay]) / area
        down = np.stack([cx - bx, ax - cx]) / area
        shares = np.stack([-across * cx - down * cy, across, down], 1)
        behind = shares[0] * (depth[:, 0] - depth[:, 2])
        behind = behind + shares[1] * (depth[:, 1] - depth[:, 2])
        behind[0] += depth[:, 2]
        return cls(np.concatenate([shares, behind[None]]), usable)

    def share(self, corner: int, row: Whole, x: Whole, y: Whole) -> Floats:
        constant, across, down = self.factors[corner]
        value: Floats = constant[row] + across[row] * x + down[row] * y
        return value

    def depth(self, row: Whole, x: Whole, y: Whole) -> Floats:
        return self.share(2, row, x, y)

    def mesh(
        self, front: npt.NDArray[np.int64], rows: int, columns: int
    ) -> RasteredMesh:
        """Return what the nearest triangles of all pixels show."""
        hit = front != _NOTHING
        row = np.where(hit, front & 0xFFFFFFFF, 0)
        y, x = np.divmod(np.arange(rows * columns), columns)
        a, b = self.share(0, row, x, y), self.share(1, row, x, y)
        shares = np.stack([a, b, 1 - a - b], -1) * hit[:, None]
        depth = np.where(hit, self.depth(row, x, y), np.inf)
        return RasteredMesh(
            np.where(hit, row, -1).astype(np.int32).reshape(rows, columns),
            shares.astype(np.float32).reshape(rows, columns, 3),
            depth.astype(np.float32).reshape(rows, columns),
        )
