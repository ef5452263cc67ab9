"""The arrays of a package, as `renderer.portrait.loader` reads them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studio.binding import Bound, Field, breath
from studio.closeups import Box
from studio.geometry import Array, Geometry, Integers

_MOST_VERTICES = 65535  # corners are uint16


@dataclass(frozen=True, slots=True)
class Closeup:
    """What is said of one, beside its picture."""

    box: Box
    faces: Array  # [K, U]
    measure: Array  # [U, M]
    corners: Integers  # [K, h, w, 3]
    shares: Array  # [K, h, w, 3]


@dataclass(frozen=True, slots=True)
class Surface:
    """A surface with all that is bound to it; vertices nobody needs are left out."""

    geometry: Geometry
    field: Field
    rise: Array
    plate: Bound
    closeups: dict[str, Closeup]

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        used, number = self._used()
        geometry, field = self.geometry, self.field
        neutral = np.concatenate([geometry.neutral, field.neutral])[used]
        shapes = np.concatenate([geometry.shapes, field.shapes], 1)[:, used]
        skull = np.concatenate([geometry.skull, field.skull])[used]
        sizes = np.maximum(np.abs(shapes).max((1, 2)), 1e-12) / 32767
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "neutral": neutral.astype(np.float32),
            "shapes": np.round(shapes / sizes[:, None, None]).astype(np.int16),
            "shape_sizes": sizes.astype(np.float32),
            "skull": _bytes(skull),
            "rise": _bytes(self.rise[used]),
            "camera": geometry.camera.astype(np.float32),
            "pivot": geometry.pivot.astype(np.float32),
            "breath": breath().astype(np.float32),
            "plate_corners": number[self.plate.corners].astype(np.uint16),
            "plate_shares": _bytes(self.plate.shares[..., :2]),
        }
        for name, part in self.closeups.items():
            arrays[f"{name}_box"] = np.array(part.box, np.int32)
            arrays[f"{name}_faces"] = part.faces.astype(np.float32)
            arrays[f"{name}_measure"] = part.measure.astype(np.float32)
            arrays[f"{name}_corners"] = number[part.corners].astype(np.uint16)
            arrays[f"{name}_shares"] = _bytes(part.shares[..., :2])
        return arrays

    def _used(self) -> tuple[Integers, Integers]:
        """Old numbers of the vertices that are kept, and the new number of each."""
        bound = [self.plate, *self.closeups.values()]
        used = np.unique(np.concatenate([part.corners.ravel() for part in bound]))
        if len(used) > _MOST_VERTICES:
            raise ValueError(
                f"{len(used)} vertices; a package numbers {_MOST_VERTICES}"
            )
        number = np.zeros(len(self.rise), np.int64)
        number[used] = np.arange(len(used))
        return used, number


def _bytes(shares: Array) -> npt.NDArray[np.uint8]:
    """0..1 in 255ths."""
    return np.round(255 * shares.clip(0, 1)).astype(np.uint8)
