"""
Fringe that is swept aside: hair over one eye is moved past the temple.

Strands turn about the skull and keep their order. Those that hung over the face lie
closer together beside it, like combed hair.
"""

import numpy as np

from studio.human import Human
from studio.mesh import Floats

# By height above the brows (dm), in degrees from the nose towards the person's left:
# _LOOSE is where the fringe ends by itself, _BOUND where it shall end.
_HEIGHT = (-1.1, -0.6, -0.2, 0.0, 0.14, 0.28, 0.42, 0.56, 0.72)
_BOUND = (-58, -66, -64, -58, -50, -38, -18, 6, 30)
_LOOSE = (-15, -12, 8, 12, 15, 20, 24, 28, 30)
# Degrees on the other side of the face: where hair begins, and where it shall begin.
_NEAR, _CLEAR = 30.0, 44.0
_SIDE = 95.0  # degrees; hair beyond does not turn
_SKULL = (0.80, 1.02)  # half of its width and of its depth, decimetres
# Decimetres by which roots are lowered: the cards begin above the skin.
_ROOT_DEPTH = 0.06


def swept(paths: Floats, human: Human) -> Floats:
    """
    Return strands [n, steps, 3] with the fringe swept aside.

    The parting of ``paths`` must be on the person's left.
    """
    skull = human.skull()
    x, z = paths[:, :, 0], paths[:, :, 2] - skull[2]
    over = paths[:, :, 1] - human.brow_height()
    angle = np.degrees(np.arctan2(x, z))
    turned = _turned(angle, over)
    distance = np.hypot(x, z) * _radius(turned) / _radius(angle)
    radians = np.radians(turned)
    moved = paths.copy()
    moved[:, :, 0] = distance * np.sin(radians)
    moved[:, :, 2] = skull[2] + distance * np.cos(radians)
    begin = np.exp(-((np.linspace(0, 1, paths.shape[1]) / 0.06) ** 2))
    moved[:, :, 1] -= _ROOT_DEPTH * begin * ((over - 0.6) / 0.2).clip(0, 1)
    return moved


def _turned(angle: Floats, over: Floats) -> Floats:
    """Return the new angles, degrees; ``over`` is the height above the brows."""
    loose = np.interp(over, _HEIGHT, _LOOSE)
    bound = np.interp(over, _HEIGHT, _BOUND)
    fringe = (angle < loose) & (angle > -_SIDE)
    share = (angle + _SIDE) / (loose + _SIDE)
    turned = np.where(fringe, -_SIDE + share * (bound + _SIDE), angle)
    low = ((0.55 - over) / 0.5).clip(0, 1)
    other = (angle >= loose) & (angle < _SIDE)
    clear = _NEAR + (_CLEAR - _NEAR) * low
    share = (angle - _NEAR) / (_SIDE - _NEAR)
    return np.where(other, clear + share * (_SIDE - clear), turned)


def _radius(angle: Floats) -> Floats:
    """Return the radius of an ellipse about the skull at ``angle`` degrees."""
    wide, deep = _SKULL
    radians = np.radians(angle)
    radius: Floats = 1 / np.hypot(np.sin(radians) / wide, np.cos(radians) / deep)
    return radius
