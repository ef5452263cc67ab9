"""
A fringe swept aside: cards that hang over one eye are led past the temple instead.

Strands turn about the skull, and keep their order: what hung over the face lies closer
together beside it, as combed hair does.
"""

import numpy as np

from studio.human import Human
from studio.mesh import Floats

# By height over the brows (dm): how far the fringe reaches over the face, and where it
# would end when left alone; degrees from the nose towards the person's left.
_HEIGHT = (-1.1, -0.6, -0.2, 0.0, 0.14, 0.28, 0.42, 0.56, 0.72)
_BOUND = (-58, -66, -64, -58, -50, -38, -18, 6, 30)
_LOOSE = (-15, -12, 8, 12, 15, 20, 24, 28, 30)
# The other side of the face: where its hair begins, and where it shall.
_NEAR, _CLEAR = 30.0, 44.0
_SIDE = 95.0  # beyond, nothing turns
_SKULL = (0.80, 1.02)  # half its width and its depth, decimetres
_ROOTS = 0.06  # deeper than the cards, which begin in the air; decimetres


def swept(paths: Floats, human: Human) -> Floats:
    """``paths`` [n, steps, 3] of a hair whose parting is on the person's left."""
    skull = human.skull()
    x, z = paths[:, :, 0], paths[:, :, 2] - skull[2]
    over = paths[:, :, 1] - human.brow_height()
    angle = np.degrees(np.arctan2(x, z))
    turned = _turned(angle, over)
    far = np.hypot(x, z) * _radius(turned) / _radius(angle)
    there = np.radians(turned)
    led = paths.copy()
    led[:, :, 0] = far * np.sin(there)
    led[:, :, 2] = skull[2] + far * np.cos(there)
    begin = np.exp(-((np.linspace(0, 1, paths.shape[1]) / 0.06) ** 2))
    led[:, :, 1] -= _ROOTS * begin * ((over - 0.6) / 0.2).clip(0, 1)
    return led


def _turned(angle: Floats, over: Floats) -> Floats:
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
    """Of an ellipse about the skull."""
    wide, deep = _SKULL
    way = np.radians(angle)
    length: Floats = 1 / np.hypot(np.sin(way) / wide, np.cos(way) / deep)
    return length
