"""
Arrays of ``surface.npz``, as writers of packages compute them.

`renderer.portrait.loader` reads them; docs/avatars.md has their meaning.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Box = tuple[int, int, int, int]  # left, top, right, bottom; base-image pixels

_BREATH_M = 0.0013  # rise of the shoulders by a full breath
_HEAD_RISE = 0.55  # of the head by a breath, as a fraction of the shoulders' rise
_MAX_VERTICES = 65535  # vertex numbers are stored as uint16
_LARGEST = 32767  # displacement, in steps of its unit


@dataclass(frozen=True, slots=True)
class BoundCells:
    """Triangles that the cells of images are bound to."""

    triangles: Ints  # [..., h, w, 3]: vertex numbers
    barycentric: Floats  # [..., h, w, 3]: weight of each vertex; the sum is 1


@dataclass(frozen=True, slots=True)
class PackedCloseup:
    """Data of one close-up except its pixels."""

    box: Box
    weights: Floats  # [K, U]: unit weights of each keyframe
    features: Floats  # [U, M]
    cells: BoundCells  # [K, h, w, 3]


@dataclass(frozen=True, slots=True)
class PackedSurface:
    """Surface of a person, and the images bound to it."""

    neutral: Floats  # [V, 3]
    blendshapes: Floats  # [U, V, 3]
    head_weight: Floats  # [V]: 1 turns with the head
    breath_weight: Floats  # [V]
    camera: Floats  # [3, 4]
    pivot: Floats  # [3]
    breath_offset: Floats  # [3]
    base_image: BoundCells
    closeups: dict[str, PackedCloseup]

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """
        Return the arrays under the format's names, without unused vertices.

        Raises `ValueError` if the cells use more vertices than a package can number.
        """
        used, number = self._used()
        shapes = self.blendshapes[:, used]
        sizes = np.maximum(np.abs(shapes).max((1, 2)), 1e-12) / _LARGEST
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "neutral": self.neutral[used].astype(np.float32),
            "shapes": np.round(shapes / sizes[:, None, None]).astype(np.int16),
            "shape_sizes": sizes.astype(np.float32),
            "skull": _bytes(self.head_weight[used]),
            "rise": _bytes(self.breath_weight[used]),
            "camera": self.camera.astype(np.float32),
            "pivot": self.pivot.astype(np.float32),
            "breath": self.breath_offset.astype(np.float32),
            "plate_corners": number[self.base_image.triangles].astype(np.uint16),
            "plate_shares": _shares(self.base_image.barycentric),
        }
        for name, closeup in self.closeups.items():
            arrays[f"{name}_box"] = np.array(closeup.box, np.int32)
            arrays[f"{name}_faces"] = closeup.weights.astype(np.float32)
            arrays[f"{name}_measure"] = closeup.features.astype(np.float32)
            corners = number[closeup.cells.triangles]
            arrays[f"{name}_corners"] = corners.astype(np.uint16)
            arrays[f"{name}_shares"] = _shares(closeup.cells.barycentric)
        return arrays

    def _used(self) -> tuple[Ints, Ints]:
        """Return the old numbers of used vertices, and the new number of each."""
        cells = [self.base_image, *(part.cells for part in self.closeups.values())]
        used = np.unique(np.concatenate([part.triangles.ravel() for part in cells]))
        if len(used) > _MAX_VERTICES:
            raise ValueError(
                f"the surface has {len(used)} vertices, a package can number "
                f"{_MAX_VERTICES}: subdivide the meshes less"
            )
        number = np.zeros(len(self.neutral), np.int64)
        number[used] = np.arange(len(used))
        return used, number


def breath_offset() -> Floats:
    """Return the world displacement of the shoulders by a full breath, metres."""
    return np.array([0.0, 0.0, _BREATH_M])


def breath_weight(
    head_weight: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return how much a breath lifts vertices, by how much they turn with the head."""
    return 1 - (1 - _HEAD_RISE) * head_weight


def _bytes(fractions: Floats) -> npt.NDArray[np.uint8]:
    """Return fractions 0..1 in 255ths."""
    return np.round(255 * fractions.clip(0, 1)).astype(np.uint8)


def _shares(barycentric: Floats) -> npt.NDArray[np.uint8]:
    """Return the first two of three weights in 255ths; their sum is at most 255."""
    first_two = np.round(255 * barycentric[..., :2].clip(0, 1))
    first_two[..., 1] = np.minimum(first_two[..., 1], 255 - first_two[..., 0])
    return first_two.astype(np.uint8)
