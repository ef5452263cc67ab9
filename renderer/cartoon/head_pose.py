"""
Where each pixel of the picture lies on the head: a turn of the head as 2.5 D.

Features shift more than the outline, as if on a shallow dome; roll turns about the
neck; the chin follows the jaw.  Units as in `renderer.cartoon.head`.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from renderer.cartoon.shapes import smoothstep
from renderer.face import HEAD, INDEX

_JAW = INDEX["jawOpen"]
_HEAD = slice(INDEX[HEAD[0]], INDEX[HEAD[-1]] + 1)  # yaw, pitch, roll
_LIMIT = (0.36, 0.26, 0.17)  # radians of each, approached softly
_DOME = 58.0  # how far the middle of the face stands out
_PIVOT_Y = 120.0
JAW_DROP = 24.0  # of the chin


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Of each head in a batch, each ``[B, 1, 1]``."""

    shift_x: Tensor  # of what stands out most
    shift_y: Tensor
    cos: Tensor
    sin: Tensor
    move_x: Tensor  # of the whole head
    move_y: Tensor
    jaw: Tensor  # 0..1


def pose_of(faces: Tensor, lift: Tensor) -> HeadPose:
    """``faces`` ``[B, 57]``, ``lift`` ``[B]``: how far breath raises the head."""
    turn = faces[:, _HEAD]
    turn = turn * torch.rsqrt(1 + (turn / _limit(faces.device)) ** 2)
    sin, cos = torch.sin(turn)[..., None, None], torch.cos(turn)[..., None, None]
    return HeadPose(
        shift_x=_DOME * sin[:, 0],
        shift_y=-_DOME * sin[:, 1],
        cos=cos[:, 2],
        sin=sin[:, 2],
        move_x=14 * sin[:, 0],
        move_y=-10 * sin[:, 1] - lift[:, None, None],
        jaw=faces[:, _JAW, None, None].clamp(0, 1),
    )


@cache
def _limit(device: torch.device) -> Tensor:
    """Made once: a copy from the host cannot be recorded into a CUDA graph."""
    return torch.tensor(_LIMIT, device=device)


def on_head(pose: HeadPose, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Picture ``x`` ``[1, w]``, ``y`` ``[h, 1]`` -> on the head, ``[B, h, w]`` each."""
    dx = x - pose.move_x
    dy = y - _PIVOT_Y - pose.move_y
    u = dx * pose.cos + dy * pose.sin
    v = dy * pose.cos - dx * pose.sin + _PIVOT_Y
    across, down = u / 92, (v + 4) / 128
    dome = 1.5 * torch.exp(-0.9 * (across * across + down * down)) - 0.5
    return u - pose.shift_x * dome, v - pose.shift_y * dome


def on_skin(pose: HeadPose, u: Tensor, v: Tensor) -> Tensor:
    """``v`` on the head -> on the skin as painted, before the jaw pulled it down."""
    edge = 72 - 0.4 * (v - 44).clamp(min=0)  # hair beside the chin stays
    pulled = smoothstep(44, 112, v) * (1 - smoothstep(0, 36, u.abs() - edge))
    return v - JAW_DROP * pose.jaw * pulled
