"""Arrays of ``surface.npz``, as `renderer.portrait.loader` reads them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studio.binding import CellBinding, FillVertices, breath_offset
from studio.closeups import Box
from studio.geometry import Geometry
from studio.mesh import Floats, Ints

_MAX_VERTICES = 65535  # vertex numbers are stored as uint16


@dataclass(frozen=True, slots=True)
class CloseupArrays:
    """Data of one close-up except its pixels."""

    box: Box
    weights: Floats  # [K, U]: unit weights of each keyframe
    features: Floats  # [U, M]
    triangles: Ints  # [K, h, w, 3]
    barycentric: Floats  # [K, h, w, 3]


@dataclass(frozen=True, slots=True)
class SurfaceFile:
    """Content of ``surface.npz``: a surface, and the images bound to it."""

    geometry: Geometry
    fill: FillVertices
    breath_weight: Floats  # [V + n], of the surface and of the added vertices
    base_image: CellBinding
    closeups: dict[str, CloseupArrays]

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the arrays under the format's names, without unused vertices."""
        used, number = self._used()
        geometry, fill = self.geometry, self.fill
        neutral = np.concatenate([geometry.neutral, fill.neutral])[used]
        shapes = np.concatenate([geometry.blendshapes, fill.blendshapes], 1)[:, used]
        head_weight = np.concatenate([geometry.head_weight, fill.head_weight])[used]
        sizes = np.maximum(np.abs(shapes).max((1, 2)), 1e-12) / 32767
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "neutral": neutral.astype(np.float32),
            "shapes": np.round(shapes / sizes[:, None, None]).astype(np.int16),
            "shape_sizes": sizes.astype(np.float32),
            "skull": _bytes(head_weight),
            "rise": _bytes(self.breath_weight[used]),
            "camera": geometry.camera.astype(np.float32),
            "pivot": geometry.pivot.astype(np.float32),
            "breath": breath_offset().astype(np.float32),
            "plate_corners": number[self.base_image.triangles].astype(np.uint16),
            "plate_shares": _bytes(self.base_image.barycentric[..., :2]),
        }
        for name, closeup in self.closeups.items():
            arrays[f"{name}_box"] = np.array(closeup.box, np.int32)
            arrays[f"{name}_faces"] = closeup.weights.astype(np.float32)
            arrays[f"{name}_measure"] = closeup.features.astype(np.float32)
            arrays[f"{name}_corners"] = number[closeup.triangles].astype(np.uint16)
            arrays[f"{name}_shares"] = _bytes(closeup.barycentric[..., :2])
        return arrays

    def _used(self) -> tuple[Ints, Ints]:
        """Return the old numbers of used vertices, and the new number of each."""
        bindings = [self.base_image, *self.closeups.values()]
        used = np.unique(np.concatenate([part.triangles.ravel() for part in bindings]))
        if len(used) > _MAX_VERTICES:
            raise ValueError(
                f"the surface has {len(used)} vertices, a package can number "
                f"{_MAX_VERTICES}: subdivide the meshes less"
            )
        number = np.zeros(len(self.breath_weight), np.int64)
        number[used] = np.arange(len(used))
        return used, number


def _bytes(fractions: Floats) -> npt.NDArray[np.uint8]:
    """Return fractions 0..1 in 255ths."""
    return np.round(255 * fractions.clip(0, 1)).astype(np.uint8)
