"""
How far a mouth is open, read from pictures of any rig, and by how much two such
signals are apart in time.

Where the mouth is, and what opening it looks like there, the rig says itself: it draws
a face at rest and one with an open jaw.  A picture's opening is how far it lies from
the one towards the other, 0..1; of the rest that may differ, as a head that turns,
little points that way.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.probe.crop import Crop
from lite_gateway.cli.face import MOST_AHEAD_MS, faces_of, first_moment_s
from renderer.face import face
from renderer.frames import Rig, RigInput
from renderer.speech.driver import Driver

_OPEN = 0.6  # of jawOpen
_CELL = 8  # pixels each way that are looked at as one to find the mouth
_CHANGED = 0.15  # of what the most changed cell did
_MARGIN = 2 * _CELL
_FAINT = 2.0  # codes: a rig that changes by less has no mouth
_DRAWN = 4  # pictures at once
_TRUE_FPS = Fraction(50)  # the driver says something new as often
_LAG_STEP_S = 0.001
_FEWEST = 20  # pictures that are like something

Array = npt.NDArray[Any]


class NoMouth(Exception):
    """The rig draws an open jaw as it draws a face at rest."""


@dataclass(frozen=True, slots=True)
class Signal:
    """An opening over time."""

    at_s: Array  # [n], rising
    opening: Array  # [n]

    def moved(self, by_s: float) -> "Signal":
        return Signal(self.at_s + by_s, self.opening)


@dataclass(frozen=True, slots=True)
class Fit:
    """How much later one signal is than another, and their correlation then."""

    lag_s: float
    likeness: float


@dataclass(frozen=True, slots=True)
class Mouth:
    """Of one rig: where it is, and how to read it."""

    crop: Crop
    rest: Array  # [h, w], codes
    direction: Array  # [h, w]: what opening it by 1 does, over its own square

    def opening(self, crops: Array) -> Array:
        """``[n, h, w]`` uint8 -> ``[n]``."""
        changes = crops.astype(np.float32) - self.rest
        opening: Array = np.einsum("nhw,hw->n", changes, self.direction)
        return opening


def find_mouth(rig: Rig) -> Mouth:
    """Raises `NoMouth`."""
    rest, opened = _drawn(rig, torch.stack([face(), face(jawOpen=_OPEN)]))
    rows, columns = (side // _CELL for side in rest.shape)
    change = np.abs(opened.astype(float) - rest)[: rows * _CELL, : columns * _CELL]
    cells = change.reshape(rows, _CELL, columns, _CELL).mean((1, 3))
    if cells.max() < _FAINT:
        raise NoMouth
    down, across = np.nonzero(cells > _CHANGED * cells.max())
    left, top = (max(0, _CELL * int(at.min()) - _MARGIN) for at in (across, down))
    right, bottom = (
        min(side, _CELL * (int(at.max()) + 1) + _MARGIN)
        for at, side in ((across, rig.width), (down, rig.height))
    )
    crop = Crop(left, top, right - left, bottom - top, rig.width, rig.height)
    start, end = (crop.of(each).astype(np.float32) for each in (rest, opened))
    way = end - start
    return Mouth(crop, start, way / np.square(way).sum())


def true_opening(rig: Rig, mouth: Mouth, driver: Driver, speech: bytes) -> Signal:
    """
    What the mouth should do, over the time of the sound itself.

    Each face is for one moment of ``speech`` (s16le, 24 kHz), and is drawn at rest but
    for its speech; the driver has heard as far ahead as it can make use of.
    """
    faces = faces_of(driver, speech, _TRUE_FPS, MOST_AHEAD_MS)
    found = []
    for first in range(0, len(faces), _DRAWN):
        lumas = _drawn(rig, faces[first : first + _DRAWN])
        found.append(mouth.opening(np.stack([mouth.crop.of(luma) for luma in lumas])))
    first_s, step_s = first_moment_s(_TRUE_FPS), float(1 / _TRUE_FPS)
    return Signal(first_s + step_s * np.arange(len(faces)), np.concatenate(found))


def fit(seen: Signal, truth: Signal, within_s: float) -> Fit:
    """
    The lag, ``within_s`` of none, at which ``seen`` is most like ``truth``.

    Only what is seen while the truth lasts has a say, so that each lag is judged by the
    same pictures.  Between two of its moments the truth is a line.  A lag at either end
    of the range may be farther away, and is `nan`, as is that of too few pictures.
    """
    inside = (seen.at_s >= truth.at_s[0]) & (seen.at_s <= truth.at_s[-1])
    opening = seen.opening[inside]
    if len(opening) < _FEWEST or not opening.std() or not truth.opening.std():
        return Fit(np.nan, 0.0)
    lags = np.arange(-within_s, within_s + _LAG_STEP_S / 2, _LAG_STEP_S)
    asked = seen.at_s[inside] - lags[:, None]
    there = np.interp(asked, truth.at_s, truth.opening)  # [lags, n]
    there -= there.mean(1, keepdims=True)
    size = there.std(1) * opening.std() * len(opening)
    alike = there @ (opening - opening.mean()) / np.where(size > 0, size, np.inf)
    best = int(np.argmax(alike))
    found = 0 < best < len(lags) - 1
    return Fit(float(lags[best]) if found else np.nan, float(alike[best]))


def _drawn(rig: Rig, faces: Tensor) -> list[npt.NDArray[np.uint8]]:
    """The luma of each face, ``[H, W]``."""
    rig_inputs = [RigInput(0, 0, 0.0, 0.0)] * len(faces)
    pixels = rig.draw(faces, rig_inputs)[:, : rig.width * rig.height]
    return [each.view(rig.height, rig.width).numpy() for each in pixels.cpu()]
