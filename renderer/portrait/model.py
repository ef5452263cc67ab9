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

import torch
from torch import Tensor

from renderer.arkit import ARKIT
from renderer.face import HEAD, INDEX

_GAZE = (("gazeX", 1), ("gazeX", -1), ("gazeY", 1), ("gazeY", -1))
_HEAD = slice(INDEX[HEAD[0]], INDEX[HEAD[-1]] + 1)  # yaw, pitch, roll
_MARGIN_CELLS = 8  # around a crop: content from there may move into it
# Radians of yaw, pitch and roll, approached softly.  A base image has one view of the
# head only and cannot show more of its sides.
_MAX_ROTATION = (0.20, 0.15, 0.11)


@dataclass(frozen=True, slots=True)
class Surface:
    """Vertices of a person and how they move, in world units of the package."""

    neutral: Tensor  # [V, 3]: positions at rest
    blendshapes: Tensor  # [U, V, 3]: displacement by each of UNITS at weight 1
    head_weight: Tensor  # [V]: 1 turns with the head, 0 stays with the shoulders
    breath_weight: Tensor  # [V]: how much of a breath lifts the vertex, 0..1
    camera: Tensor  # [3, 4]: world -> homogeneous pixels of the base image
    pivot: Tensor  # [3]: the head turns about this point
    breath_offset: Tensor  # [3]: world displacement of one full breath

    def to(self, device: torch.device) -> "Surface":
        """Return a copy on ``device``."""
        return Surface(*(getattr(self, name).to(device) for name in self.__slots__))

    def deform(self, weights: Tensor) -> Tensor:
        """Return the vertices ``[B, V, 3]`` for unit weights ``[B, U]``."""
        displacement = weights @ self.blendshapes.flatten(1)
        return self.neutral + displacement.view(len(weights), -1, 3)

    def project(self, points: Tensor) -> Tensor:
        """Return the base-image pixels ``[..., 2]`` of world points ``[..., 3]``."""
        clip = points @ self.camera[:, :3].T + self.camera[:, 3]
        return clip[..., :2] / clip[..., 2:]


@dataclass(frozen=True, slots=True)
class Cells:
    """Grid over an image; each cell is bound to a triangle of vertices."""

    triangles: Tensor  # [..., h, w, n] int64: vertex numbers; n is 3 as loaded
    barycentric: Tensor  # [..., h, w, n]: weight of each vertex; the sum is 1
    step: float  # base-image pixels from one cell's centre to the next

    def crop(self, points: Tensor) -> "tuple[Cells, tuple[float, float]]":
        """
        Return the cells around ``points`` ``[2, h, w]``, and their left top corner.

        Points and corner are in base-image pixels.
        """
        low = (points.amin((1, 2)) / self.step).long() - _MARGIN_CELLS
        high = (points.amax((1, 2)) / self.step).long() + _MARGIN_CELLS
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
            _join_fours(self.triangles), _join_fours(self.barycentric) / 4,
            2 * self.step,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Closeup:
    """Part of the base image, rendered in several expressions."""

    name: str
    left: int  # base-image pixels
    top: int
    keyframes: Tensor  # [K, 4, h, w] uint8: RGBA, straight alpha, base image's scale
    cells: Cells  # [K, h / step, w / step, 3]
    weights: Tensor  # [K, U]: unit weights of each keyframe
    # [U, M]: weights @ features are close for two faces that look alike here.
    features: Tensor
    feather: int  # width of the border that fades into the base image, its pixels


@dataclass(frozen=True, slots=True)
class PortraitModel:
    """Surface and images of one person, as a rig draws them."""

    surface: Surface
    base_image: Tensor  # [4, H, W] uint8: RGBA, straight alpha
    base_cells: Cells
    closeups: tuple[Closeup, ...]


def _join_fours(values: Tensor) -> Tensor:
    """Return ``[..., h, w, n]`` as ``[..., h / 2, w / 2, 4 * n]``."""
    rows, columns = (2 * (side // 2) for side in values.shape[-3:-1])
    even = values[..., :rows, :columns, :]
    parts = [even[..., i::2, j::2, :] for i in (0, 1) for j in (0, 1)]
    return torch.cat(parts, -1)


def unit_weights(faces: Tensor) -> Tensor:
    """Return the weights 0..1 ``[B, U]`` of `UNITS` for faces ``[B, 57]``."""
    gaze = [sign * faces[:, INDEX[name]] for name, sign in _GAZE]
    return torch.cat([faces[:, : len(ARKIT)], torch.stack(gaze, 1)], 1).clamp(0, 1)


def head_rotations(faces: Tensor) -> Tensor:
    """
    Return the head's rotation matrices ``[B, 3, 3]`` minus the identity.

    The world's axes: x right, y away from the camera, z up.
    """
    angles = faces[:, _HEAD]
    angles = angles * torch.rsqrt(1 + (angles / _max_rotation(faces.device)) ** 2)
    yaw, pitch, roll = angles.unbind(1)
    zero, unity = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*elements: Tensor) -> Tensor:
        return torch.stack(elements, 1).view(-1, 3, 3)

    cos, sin = yaw.cos(), yaw.sin()
    about_z = matrix(cos, -sin, zero, sin, cos, zero, zero, zero, unity)
    cos, sin = pitch.cos(), -pitch.sin()
    about_x = matrix(unity, zero, zero, zero, cos, -sin, zero, sin, cos)
    cos, sin = roll.cos(), roll.sin()
    about_y = matrix(cos, zero, sin, zero, unity, zero, -sin, zero, cos)
    return about_y @ about_z @ about_x - _identity(faces.device)


# These constants are cached because a CUDA graph cannot capture a copy from the host.
@cache
def _max_rotation(device: torch.device) -> Tensor:
    return torch.tensor(_MAX_ROTATION, device=device)


@cache
def _identity(device: torch.device) -> Tensor:
    return torch.eye(3, device=device)
