"""
What a portrait is made of: a surface that moves, and pictures that are bound to it.

The surface is a cloud of vertices with a displacement for every unit of the face.  A
picture, the whole plate or a close-up of mouth or eyes in one expression (a key), says
for a grid of its places on which three vertices they lie.  Where the vertices go, the
pictures go, so that all of them meet in whatever face is asked for.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from renderer.arkit import ARKIT
from renderer.face import HEAD, INDEX

_GAZE = (("gazeX", 1), ("gazeX", -1), ("gazeY", 1), ("gazeY", -1))
_HEAD = slice(INDEX[HEAD[0]], INDEX[HEAD[-1]] + 1)  # yaw, pitch, roll
_AROUND = 8  # cells beyond what is seen: from where it may come
_LIMIT = (0.20, 0.15, 0.11)  # radians of each, approached softly: one plate, seen anew


@dataclass(frozen=True, slots=True)
class Surface:
    """Where every vertex is in any face; world units, camera as in the studio."""

    neutral: Tensor  # [V, 3]
    shapes: Tensor  # [U, V, 3]: displacement of each of UNITS, fully on
    skull: Tensor  # [V]: 1 turns with the head, 0 stays with the shoulders
    rise: Tensor  # [V]: how much of a breath lifts it, 0..1
    camera: Tensor  # [3, 4]: world -> homogeneous pixels of the plate
    pivot: Tensor  # [3]: where the head turns about
    up: Tensor  # [3]: world displacement of one full breath

    def to(self, device: torch.device) -> "Surface":
        return Surface(*(getattr(self, name).to(device) for name in self.__slots__))

    def places(self, weights: Tensor) -> Tensor:
        """``weights`` ``[B, U]`` -> where the vertices are, ``[B, V, 3]``."""
        moved = weights @ self.shapes.flatten(1)
        return self.neutral + moved.view(len(weights), -1, 3)

    def pixels(self, places: Tensor) -> Tensor:
        """World ``[..., 3]`` -> plate pixels ``[..., 2]``."""
        clip = places @ self.camera[:, :3].T + self.camera[:, 3]
        return clip[..., :2] / clip[..., 2:]


@dataclass(frozen=True, slots=True)
class Cells:
    """A grid of places in a picture, and what they are stuck to."""

    corners: Tensor  # [..., h, w, 3] int64: vertices
    shares: Tensor  # [..., h, w, 3]: of each; sum 1
    step: float  # plate pixels between two places

    def part(self, spots: Tensor) -> "tuple[Cells, tuple[float, float]]":
        """Those around ``spots`` ``[2, h, w]``, plate pixels, and their corner."""
        low = (spots.amin((1, 2)) / self.step).long() - _AROUND
        high = (spots.amax((1, 2)) / self.step).long() + _AROUND
        left, top = (max(0, int(edge)) for edge in low)
        right, bottom = (int(edge) for edge in high)
        here = (slice(top, bottom), slice(left, right))
        cells = Cells(self.corners[here], self.shares[here], self.step)
        return cells, (left * self.step, top * self.step)


@dataclass(frozen=True, slots=True)
class Closeup:
    """A part of the plate, seen in several expressions."""

    name: str
    left: int  # plate pixels
    top: int
    pictures: Tensor  # [K, 4, h, w] uint8: RGBA, straight alpha, plate's scale
    cells: Cells  # [K, h / step, w / step, 3]
    faces: Tensor  # [K, U]: of each key
    measure: Tensor  # [U, M]: what makes two faces look alike here
    feather: int  # plate pixels over which it fades into the plate


@dataclass(frozen=True, slots=True)
class PortraitModel:
    """One person, ready to be drawn."""

    surface: Surface
    plate: Tensor  # [4, H, W] uint8: RGBA, straight alpha
    cells: Cells  # of the plate
    closeups: tuple[Closeup, ...]


def units(faces: Tensor) -> Tensor:
    """``[B, 57]`` -> ``[B, U]`` weights 0..1 of `UNITS`."""
    gaze = [sign * faces[:, INDEX[name]] for name, sign in _GAZE]
    return torch.cat([faces[:, : len(ARKIT)], torch.stack(gaze, 1)], 1).clamp(0, 1)


def turns(faces: Tensor) -> Tensor:
    """
    How heads turn: rotations ``[B, 3, 3]`` less the identity.

    In the studio's world: x right, y away from the camera, z up.
    """
    turn = faces[:, _HEAD]
    turn = turn * torch.rsqrt(1 + (turn / _limit(faces.device)) ** 2)
    yaw, pitch, roll = turn.unbind(1)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, 1).view(-1, 3, 3)

    cos, sin = yaw.cos(), yaw.sin()
    about_z = matrix(cos, -sin, zero, sin, cos, zero, zero, zero, one)
    cos, sin = pitch.cos(), -pitch.sin()
    about_x = matrix(one, zero, zero, zero, cos, -sin, zero, sin, cos)
    cos, sin = roll.cos(), roll.sin()
    about_y = matrix(cos, zero, sin, zero, one, zero, -sin, zero, cos)
    return about_y @ about_z @ about_x - _identity(faces.device)


# Made once: a copy from the host cannot be recorded into a CUDA graph.
@cache
def _limit(device: torch.device) -> Tensor:
    return torch.tensor(_LIMIT, device=device)


@cache
def _identity(device: torch.device) -> Tensor:
    return torch.eye(3, device=device)
