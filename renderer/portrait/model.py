"""
Data of a portrait: a deformable surface, and images that are bound to it.

The surface is a cloud of vertices with one blendshape for each unit of the face.
An image is the base image or a keyframe: a close-up of the mouth or of an eye that was
rendered in one expression.  A grid of cells covers each image, and each cell is bound
to three vertices.  Images are warped with their vertices, so all of them show a
feature at the same pixel, for any face.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from renderer.arkit import ARKIT
from renderer.face import HEAD, INDEX
from renderer.tensors import is_tensor, namespace

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]
# A float32 array; in a rig that draws with torch, a tensor on its device.
Values = Any

_GAZE = (("gazeX", 1), ("gazeX", -1), ("gazeY", 1), ("gazeY", -1))
_HEAD = slice(INDEX[HEAD[0]], INDEX[HEAD[-1]] + 1)  # yaw, pitch, roll
_MARGIN_CELLS = 8  # around a crop: content from there may move into it
# Radians of yaw, pitch and roll, approached softly.  A base image has one view of the
# head only and cannot show more of its sides.
_MAX_ROTATION = (0.20, 0.15, 0.11)


@dataclass(frozen=True, slots=True)
class Surface:
    """Vertices of a person and how they move, in world units of the package."""

    neutral: Values  # [V, 3]: positions at rest
    blendshapes: Values  # [U, V, 3]: displacement by each of UNITS at weight 1
    head_weight: Values  # [V]: 1 turns with the head, 0 stays with the shoulders
    breath_weight: Values  # [V]: how much of a breath lifts the vertex, 0..1
    camera: Values  # [3, 4]: world -> homogeneous pixels of the base image
    pivot: Values  # [3]: the head turns about this point
    breath_offset: Values  # [3]: world displacement of one full breath

    def to(self, device: "torch.device") -> "Surface":
        """Return a copy in tensors on ``device``."""
        from torch import from_numpy  # native code draws without torch

        return Surface(
            *(from_numpy(getattr(self, name)).to(device) for name in self.__slots__)
        )

    def deform(self, weights: Values) -> Values:
        """Return the vertices ``[B, V, 3]`` for unit weights ``[B, U]``."""
        displacement = weights @ self.blendshapes.reshape(len(self.blendshapes), -1)
        return self.neutral + displacement.reshape(len(weights), -1, 3)

    def project(self, points: Values) -> Values:
        """Return the base-image pixels ``[..., 2]`` of world points ``[..., 3]``."""
        clip = points @ self.camera[:, :3].T + self.camera[:, 3]
        return clip[..., :2] / clip[..., 2:]


@dataclass(frozen=True, slots=True)
class Cells:
    """Grid over an image; each cell is bound to a triangle of vertices."""

    # [..., h, w, n]: vertex numbers; n is 3 as loaded
    triangles: npt.NDArray[np.int32]
    barycentric: Floats  # [..., h, w, n]: weight of each vertex; the sum is 1
    step: float  # base-image pixels from one cell's centre to the next

    def crop(self, points: Floats) -> "tuple[Cells, tuple[float, float]]":
        """
        Return the cells around ``points`` ``[2, h, w]``, and their left top corner.

        Points and corner are in base-image pixels.
        """
        low = (points.min((1, 2)) / self.step).astype(int) - _MARGIN_CELLS
        high = (points.max((1, 2)) / self.step).astype(int) + _MARGIN_CELLS
        left, top = (max(0, int(edge)) for edge in low)
        right, bottom = (int(edge) for edge in high)
        area = (slice(top, bottom), slice(left, right))
        cells = Cells(self.triangles[area], self.barycentric[area], self.step)
        return cells, (left * self.step, top * self.step)

    def coarse(self) -> "Cells":
        """
        Return cells of twice the side: each is bound to the vertices of four.

        An odd last row or column is left out.
        """
        return Cells(
            _join_fours(self.triangles),
            _join_fours(self.barycentric) * np.float32(1 / 4),
            2 * self.step,
        )


@dataclass(frozen=True, slots=True)
class Closeup:
    """Part of the base image, rendered in several expressions."""

    name: str
    left: int  # base-image pixels
    top: int
    # [K, 4, h, w]: RGBA, straight alpha, base image's scale
    keyframes: npt.NDArray[np.uint8]
    cells: Cells  # [K, h / step, w / step, 3]
    weights: Floats  # [K, U]: unit weights of each keyframe
    # [U, M]: weights @ features are close for two faces that look alike here.
    features: Floats
    feather: int  # width of the border that fades into the base image, its pixels


@dataclass(frozen=True, slots=True)
class PortraitModel:
    """Surface and images of one person, as a rig draws them."""

    surface: Surface
    base_image: npt.NDArray[np.uint8]  # [4, H, W]: RGBA, straight alpha
    base_cells: Cells
    closeups: tuple[Closeup, ...]


def _join_fours(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ``[..., h, w, n]`` as ``[..., h / 2, w / 2, 4 * n]``."""
    rows, columns = (2 * (side // 2) for side in values.shape[-3:-1])
    even = values[..., :rows, :columns, :]
    parts = [even[..., i::2, j::2, :] for i in (0, 1) for j in (0, 1)]
    return np.concat(parts, -1)


def unit_weights(faces: Values) -> Values:
    """Return the weights 0..1 ``[B, U]`` of `UNITS` for faces ``[B, 57]``."""
    xp = namespace(faces)
    gaze = [sign * faces[:, INDEX[name]] for name, sign in _GAZE]
    return xp.concat([faces[:, : len(ARKIT)], xp.stack(gaze, 1)], 1).clip(0, 1)


def head_rotations(faces: Values) -> Values:
    """
    Return the head's rotation matrices ``[B, 3, 3]`` minus the identity.

    The world's axes: x right, y away from the camera, z up.
    """
    xp = namespace(faces)
    limits, identity = _constants(faces.device if is_tensor(faces) else None)
    angles = faces[:, _HEAD]
    angles = angles / xp.sqrt(1 + (angles / limits) ** 2)
    yaw, pitch, roll = angles[:, 0], angles[:, 1], angles[:, 2]
    zero, unity = xp.zeros_like(yaw), xp.ones_like(yaw)

    def matrix(*elements: Values) -> Values:
        return xp.stack(elements, 1).reshape(-1, 3, 3)

    cos, sin = xp.cos(yaw), xp.sin(yaw)
    about_z = matrix(cos, -sin, zero, sin, cos, zero, zero, zero, unity)
    cos, sin = xp.cos(pitch), -xp.sin(pitch)
    about_x = matrix(unity, zero, zero, zero, cos, -sin, zero, sin, cos)
    cos, sin = xp.cos(roll), xp.sin(roll)
    about_y = matrix(cos, zero, sin, zero, unity, zero, -sin, zero, cos)
    return about_y @ about_z @ about_x - identity


@cache  # a CUDA graph cannot capture a copy from the host
def _constants(device: "torch.device | None") -> tuple[Values, Values]:
    """Return the largest angles and the identity: arrays, or tensors on a device."""
    limits, identity = np.array(_MAX_ROTATION, np.float32), np.eye(3, dtype=np.float32)
    if device is None:
        return limits, identity
    import torch

    return torch.from_numpy(limits).to(device), torch.from_numpy(identity).to(device)
