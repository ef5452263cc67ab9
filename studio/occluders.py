"""Objects in front of a mouth: a medical mask, and the person's own hand."""

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

from studio.human import BODY, Human
from studio.mesh import Floats, Mesh
from studio.shapes import joined, sheet, tube

# Grid of the mask: degrees about the head's axis, and rows from nose to chin.
_ANGLES = np.linspace(-58, 58, 41)
_ROWS = 31
_AXIS_Z = 0.35  # of the mask's axis, in front of the middle of the skull, decimetres
_OFF_SKIN = 0.05
_FOREARM = ("lowerarm", "wrist", "finger", "metacarpal")
# Directions of the hand in front of a mouth: along the fingers, out of the palm.
_FINGERS = np.array([0.8, 0.6, 0.05])
_PALM = np.array([0.0, 0.0, -1.0])
_TOUCH = 0.02  # between hand and face, decimetres


def medical_mask(human: Human) -> Mesh:
    """Return a mask from the bridge of the nose to below the chin, with its loops."""
    skin = human.posed({})[BODY]
    axis = np.add(human.skull(), (0, 0, _AXIS_Z))
    high, low = human.nose()[1] + 0.22, human.chin()[1] - 0.08
    heights = np.linspace(high, low, _ROWS)
    away = skin - axis
    radius = np.hypot(away[:, 0], away[:, 2])
    angle = np.degrees(np.arctan2(away[:, 0], away[:, 2]))
    grid = np.zeros((_ROWS, len(_ANGLES)))
    step = _ANGLES[1] - _ANGLES[0]
    column = np.round((angle - _ANGLES[0]) / step).astype(int)
    row = np.round((high - skin[:, 1]) / (high - low) * (_ROWS - 1)).astype(int)
    inside = (row >= 0) & (row < _ROWS) & (column >= 0) & (column < len(_ANGLES))
    np.maximum.at(grid, (row[inside], column[inside]), radius[inside])
    # Cloth is taut: it follows the foremost skin of its neighbourhood.
    taut = gaussian_filter(maximum_filter(grid, (9, 7), mode="nearest"), (2.5, 2.0))
    radians = np.radians(_ANGLES)
    depth = taut + _OFF_SKIN
    surface = np.stack(
        [
            axis[0] + depth * np.sin(radians),
            np.broadcast_to(heights[:, None], depth.shape),
            axis[2] + depth * np.cos(radians),
        ],
        2,
    )
    loops = [_loop(human, surface[r, c]) for r in (1, -6) for c in (0, -1)]
    return joined(sheet(surface), *loops)


def _loop(human: Human, corner: Floats) -> Mesh:
    """Return an elastic from a corner of the mask to the ear."""
    eye = human.skull()
    ear = np.array([np.sign(corner[0]) * 0.8, eye[1] - 0.1, eye[2] - 0.05])
    middle = (corner + ear) / 2 + [np.sign(corner[0]) * 0.06, 0, 0]
    return tube(np.stack([corner, middle, ear]), 0.015)


def hand(human: Human) -> tuple[list[int], Floats]:
    """
    Return the faces of the right forearm and hand, and the vertices [V, 3].

    The vertices are placed so that the palm lies on the mouth.
    """
    share = human.share(*_FOREARM, side="R")
    groups = zip(human.base.faces, human.base.groups, strict=True)
    faces = [
        k
        for k, (f, g) in enumerate(groups)
        if g == "body" and share[f].min() > 0.5
    ]  # fmt: skip
    moved = human.rest @ _turn(human).T
    knuckle = _joint(human, 3, 1) @ _turn(human).T
    skin = human.posed({})[BODY]
    mouth = (human.nose() + human.chin()) / 2
    moved += mouth - knuckle
    arm = np.unique([i for k in faces for i in human.base.faces[k]])
    face = skin[(np.abs(skin[:, 0]) < 0.8) & (skin[:, 1] > human.chin()[1] - 0.1)]
    reach = -9.0
    for point in moved[arm]:
        near = np.hypot(*(face[:, :2] - point[:2]).T) < 0.06
        reach = max(reach, float((face[near, 2] - point[2]).max(initial=-9.0)))
    moved[:, 2] += reach + _TOUCH
    return faces, moved


def _joint(human: Human, finger: int, part: int) -> Floats:
    return human.joint(f"r-finger-{finger}-{part}")


def _turn(human: Human) -> Floats:
    """Return the rotation [3, 3] that lays the hand at rest on the mouth."""
    fingers = _joint(human, 3, 4) - human.joint("r-hand")
    across = _joint(human, 2, 1) - _joint(human, 5, 1)  # little to index finger
    # Of a right hand, fingers x (little to index) points out of the palm's back.
    palm = -np.cross(fingers, across)
    return _frame(_FINGERS, _PALM).T @ _frame(fingers, palm)


def _frame(along: Floats, out: Floats) -> Floats:
    """Return three orthonormal rows: ``along``, ``out`` made square to it, the rest."""
    first = along / np.linalg.norm(along)
    second = out - first * (out @ first)
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])
