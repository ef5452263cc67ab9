"""Iris of an eye: its circle in the photo, from the edge to the white around it."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.images import sample

_DARK = 0.004  # linear light below which a ratio means nothing
# Angles from the horizontal at which the white shows beside an iris, radians.
_RIGHT = np.linspace(-1.0, 1.0, 13)
_SIDES = np.concatenate([_RIGHT, _RIGHT + np.pi])
_APART = 0.1  # radii between the circles that are compared, on either side of the edge
_MOST = 1.5  # log of light: an edge that is stronger counts as this
_REACH, _SIZES = 0.24, (0.86, 1.1)  # of the radius: how far it is searched
_STEPS = (13, 13, 9)  # x, y and radius
_PULL = 0.7  # loss per squared move, in radii, from the landmarks
_AS_GOOD = 0.01  # of the score: a sharp edge fits many circles, and lies between them
_FEW = 6  # angles at which the photo shows both sides


@dataclass(frozen=True, slots=True)
class Circle:
    """Circle in a picture."""

    centre: Floats  # [2]: pixels
    radius: float


def iris_circle(light: Picture, seen: Mask, guess: Circle) -> Circle:
    """
    Return the circle whose edge is strongest, near that of the landmarks.

    ``light`` ``[h, w, 3]`` is linear, ``seen`` ``[h, w]`` where an eyeball is seen. The
    landmarks of an iris are up to a quarter of its radius aside.
    """
    logs = np.log(light.mean(-1) + _DARK)
    picture = np.stack([logs, seen.astype(np.float32)], -1).astype(np.float32)
    best = guess
    for reach in (1.0, 0.25):
        best = _search(picture, guess, best, reach)
    return best


def _search(picture: Picture, guess: Circle, near: Circle, reach: float) -> Circle:
    """Return the best circle of a grid around ``near``, ``reach`` 0..1 as large."""
    along = _REACH * reach * guess.radius
    x, y, size = np.meshgrid(
        near.centre[0] + np.linspace(-along, along, _STEPS[0]),
        near.centre[1] + np.linspace(-along, along, _STEPS[1]),
        near.radius + guess.radius * reach * (np.linspace(*_SIZES, _STEPS[2]) - 1),
        indexing="ij",
    )  # fmt: skip
    spokes = np.stack([np.cos(_SIDES), np.sin(_SIDES)], -1)
    centres = np.stack([x, y], -1).reshape(-1, 1, 2)
    radii = size.reshape(-1, 1, 1)
    inner, outer = (
        sample(picture, centres + radii * share * spokes)
        for share in (1 - _APART, 1 + _APART)
    )
    both = (inner[..., 1] > 0.9) & (outer[..., 1] > 0.9)
    edge = np.clip(outer[..., 0] - inner[..., 0], -_MOST, _MOST) * both
    count = both.sum(1)
    moved = (centres[:, 0] - guess.centre) / guess.radius
    loss = _PULL * (moved**2).sum(1)
    score = edge.sum(1) / np.maximum(count, _FEW) - loss
    score[count < _FEW] = -np.inf
    if not np.isfinite(score.max()):
        return near
    best = score >= score.max() - _AS_GOOD
    return Circle(centres[best, 0].mean(0), float(radii[best].mean()))
