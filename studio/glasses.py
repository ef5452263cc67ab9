"""Glasses: rims, a bridge, temples and lenses, fitted to a face at rest."""

from dataclasses import dataclass

import numpy as np

from studio.human import BODY, LEFT_EYE, RIGHT_EYE, Human
from studio.mesh import Floats, Mesh
from studio.shapes import disc, joined, tube

_POINTS = 48  # of a rim
_CLEARANCE = 0.05  # between the rims and the skin, decimetres
_DEEPEST, _FOREMOST = 0.1, 0.34  # of the rims, in front of the eyeballs
_EAR = (0.74, 0.1)  # of a temple's end: half of the distance, height over the eyes


@dataclass(frozen=True, slots=True)
class Glasses:
    """Look of glasses; lengths are in decimetres."""

    half_width: float = 0.265
    half_height: float = 0.2
    squareness: float = 3.0  # 2 is an ellipse, more is a rounded rectangle
    thickness: float = 0.022
    colour: str = "1c1713"
    dark: bool = False  # whether the lenses are those of sunglasses


def frame_and_lenses(human: Human, look: Glasses) -> tuple[Mesh, Mesh]:
    """Return the mesh of the frame and that of the lenses, in the rest pose."""
    depth = _depth(human, look)
    rims = [_rim(human, side, depth, look) for side in (LEFT_EYE, RIGHT_EYE)]
    radius = look.thickness
    parts = [tube(rim, radius, closed=True) for rim in rims]
    inner = [rim[np.abs(rim[:, 0]).argmin()] for rim in rims]
    parts.append(tube(_bridge(inner[0], inner[1]), radius))
    for rim in rims:
        hinge = rim[np.abs(rim[:, 0]).argmax()]
        parts.append(tube(_temple(human, hinge), radius))
    lenses = [disc(rim, np.array([0, 0, 0.03])) for rim in rims]
    return joined(*parts), joined(*lenses)


def _rim(human: Human, side: slice, depth: float, look: Glasses) -> Floats:
    """Return the points [n, 3] of a rim around one eye."""
    eye = human.eye_centre(side)
    turn = 2 * np.pi * np.arange(_POINTS) / _POINTS
    x, y = np.cos(turn), np.sin(turn)
    power = 2 / look.squareness
    x, y = np.sign(x) * np.abs(x) ** power, np.sign(y) * np.abs(y) ** power
    outwards = 0.03 * np.sign(eye[0])
    return np.stack(
        [
            eye[0] + outwards + look.half_width * x,
            eye[1] - 0.03 + look.half_height * y,
            np.full(_POINTS, depth),
        ],
        1,
    )


def _depth(human: Human, look: Glasses) -> float:
    """Return the depth at which both rims are just in front of the skin."""
    skin = human.posed({})[BODY]
    needed = []
    for side in (LEFT_EYE, RIGHT_EYE):
        rim = _rim(human, side, 0.0, look)
        for point in rim:
            near = np.hypot(*(skin[:, :2] - point[:2]).T) < 0.07
            needed.append(skin[near, 2].max(initial=-9.0))
    front = float(human.rest[LEFT_EYE][:, 2].max())
    depth = max(needed) + _CLEARANCE
    return float(np.clip(depth, front + _DEEPEST, front + _FOREMOST))


def _bridge(left: Floats, right: Floats) -> Floats:
    """Return an arc [n, 3] over the nose."""
    share = np.linspace(0, 1, 12)[:, None]
    bow = np.sin(np.pi * share) * np.array([0, 0.05, 0.04])
    return left + share * (right - left) + bow + [0, 0.05, 0]


def _temple(human: Human, hinge: Floats) -> Floats:
    """Return the line [n, 3] from the hinge to the ear, and down behind it."""
    eye = human.eye_centre(LEFT_EYE)
    side = np.sign(hinge[0])
    ear = np.array([side * _EAR[0], eye[1] + _EAR[1], human.skull()[2] - 0.05])
    elbow = np.add(hinge, (side * 0.03, 0.06, -0.03))
    end = np.add(ear, (0, -0.25, -0.12))
    return np.stack([np.add(hinge, (0, 0.06, 0)), elbow, ear, end])
