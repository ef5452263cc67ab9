"""
Head pose in 2.5 D: which point of the painted head each pixel of a frame shows.

Features shift more than the outline, as if they were on a shallow dome. Roll turns
about the neck. The chin follows the jaw. Units are those of `renderer.cartoon.head`.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from renderer.cartoon.shapes import smoothstep
from renderer.face import HEAD, INDEX

_JAW = INDEX["jawOpen"]
_HEAD = slice(INDEX[HEAD[0]], INDEX[HEAD[-1]] + 1)  # yaw, pitch, roll
_MAX_ROTATION = (0.36, 0.26, 0.17)  # radians of each, approached softly
_DOME_HEIGHT = 58.0  # depth from the outline to the middle of the face
_PIVOT_Y = 120.0
JAW_DROP = 24.0  # of the chin


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Poses of a batch of heads; every field is ``[B, 1, 1]``."""

    shift_x: Tensor  # of the middle of the face, the top of the dome
    shift_y: Tensor
    cos: Tensor
    sin: Tensor
    move_x: Tensor  # of the whole head
    move_y: Tensor
    jaw: Tensor  # 0..1


def pose_of(faces: Tensor, lift: Tensor) -> HeadPose:
    """
    Return the poses of ``faces`` ``[B, 57]``.

    ``lift`` ``[B]`` is how far breath raises each head, in units.
    """
    angles = faces[:, _HEAD]
    angles = angles * torch.rsqrt(1 + (angles / _max_rotation(faces.device)) ** 2)
    sin, cos = torch.sin(angles)[..., None, None], torch.cos(angles)[..., None, None]
    return HeadPose(
        shift_x=_DOME_HEIGHT * sin[:, 0],
        shift_y=-_DOME_HEIGHT * sin[:, 1],
        cos=cos[:, 2],
        sin=sin[:, 2],
        move_x=14 * sin[:, 0],
        move_y=-10 * sin[:, 1] - lift[:, None, None],
        jaw=faces[:, _JAW, None, None].clamp(0, 1),
    )


@cache
def _max_rotation(device: torch.device) -> Tensor:
    """Return a cached constant: a CUDA graph cannot capture a copy from the host."""
    return torch.tensor(_MAX_ROTATION, device=device)


def head_position(pose: HeadPose, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """
    Return the position on the head, in units, that each pixel shows.

    ``x`` ``[1, w]`` and ``y`` ``[h, 1]`` are the pixels in units. The two results,
    across and down, are ``[B, h, w]``.
    """
    dx = x - pose.move_x
    dy = y - _PIVOT_Y - pose.move_y
    u = dx * pose.cos + dy * pose.sin
    v = dy * pose.cos - dx * pose.sin + _PIVOT_Y
    across, down = u / 92, (v + 4) / 128
    dome = 1.5 * torch.exp(-0.9 * (across * across + down * down)) - 0.5
    return u - pose.shift_x * dome, v - pose.shift_y * dome


def skin_height(pose: HeadPose, u: Tensor, v: Tensor) -> Tensor:
    """
    Return the height in the painted head layer that a position on the head shows.

    An open jaw pulls the skin of the chin down. ``u``, ``v`` and the result are
    ``[B, h, w]``, in units.
    """
    edge = 72 - 0.4 * (v - 44).clamp(min=0)  # hair beside the chin stays still
    pulled = smoothstep(44, 112, v) * (1 - smoothstep(0, 36, u.abs() - edge))
    return v - JAW_DROP * pose.jaw * pulled
