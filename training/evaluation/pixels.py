"""Mouth opening measured in video frames of any rig, and the lag between two signals.

The rig draws one face at rest and one with an open jaw.  The difference of the two
frames locates the mouth and gives the direction of opening.  The opening of a frame is
its projection onto that direction: 0 at rest, 1 at the open jaw.  Other changes, such
as a turn of the head, hardly point in that direction.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.probe.crop import Crop
from lite_gateway.cli.face import drive_speech, first_face_s
from lite_gateway.cli.parsers.face import MAX_LOOKAHEAD_MS
from renderer.face import face_array
from renderer.rig import Rig, RigInput
from renderer.speech.driver import Driver

_OPEN = 0.6  # of jawOpen
_CELL = 8  # pixels; the mouth is searched in square cells of this side
_MIN_CHANGE_SHARE = 0.15  # of the most changed cell's change, to belong to the mouth
_MARGIN = 2 * _CELL  # pixels
_MIN_CHANGE = 2.0  # luma codes; a rig whose cells all change by less has no mouth
_BATCH = 4  # frames drawn in one call
_EXPECTED_FPS = Fraction(50)  # the driver's network has one new output every 20 ms
_LAG_STEP_S = 0.001
_MIN_FRAMES = 20  # fewer frames give no reliable correlation

Array = npt.NDArray[Any]


class NoMouth(Exception):
    """The rig draws an open jaw and a face at rest alike, so it has no mouth."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Mouth opening over time."""

    at_s: Array  # [n], increasing
    opening: Array  # [n]

    def shifted(self, by_s: float) -> "Signal":
        return Signal(self.at_s + by_s, self.opening)


@dataclass(frozen=True, slots=True)
class LagEstimate:
    """Lag of one signal behind another, NaN if unknown, and their correlation at it."""

    lag_s: float
    correlation: float


@dataclass(frozen=True, slots=True)
class Mouth:
    """Mouth of one rig: its place in the frame, and how to measure its opening."""

    crop: Crop
    rest: Array  # [h, w], luma codes of the mouth at rest
    direction: Array  # [h, w], change d from rest to open, divided by d . d

    def opening(self, crops: Array) -> Array:
        """Return the opening ``[n]`` of cropped lumas ``[n, h, w]`` uint8."""
        changes = crops.astype(np.float32) - self.rest
        opening: Array = np.einsum("nhw,hw->n", changes, self.direction)
        return opening


def find_mouth(rig: Rig) -> Mouth:
    """Return the mouth of ``rig``; raise `NoMouth` if an open jaw changes nothing."""
    rest, opened = _lumas_of(rig, np.stack([face_array(), face_array(jawOpen=_OPEN)]))
    rows, columns = (side // _CELL for side in rest.shape)
    change = np.abs(opened.astype(float) - rest)[: rows * _CELL, : columns * _CELL]
    cells = change.reshape(rows, _CELL, columns, _CELL).mean((1, 3))
    if cells.max() < _MIN_CHANGE:
        raise NoMouth
    down, across = np.nonzero(cells > _MIN_CHANGE_SHARE * cells.max())
    left, top = (max(0, _CELL * int(at.min()) - _MARGIN) for at in (across, down))
    right, bottom = (
        min(side, _CELL * (int(at.max()) + 1) + _MARGIN)
        for at, side in ((across, rig.width), (down, rig.height))
    )
    crop = Crop(left, top, right - left, bottom - top, rig.width, rig.height)
    start, end = (crop.of(luma).astype(np.float32) for luma in (rest, opened))
    change = end - start
    return Mouth(crop, start, change / np.square(change).sum())


def expected_opening(rig: Rig, mouth: Mouth, driver: Driver, speech: bytes) -> Signal:
    """Return the opening that the rig shows if it draws ``speech`` without any delay.

    ``speech`` is s16le at 24 kHz, and the signal's times are positions in it.  Each
    face has the head at rest, and the driver has its maximum look-ahead.
    """
    faces = drive_speech(driver, speech, _EXPECTED_FPS, MAX_LOOKAHEAD_MS)
    openings = []
    for first in range(0, len(faces), _BATCH):
        lumas = _lumas_of(rig, faces[first : first + _BATCH])
        crops = np.stack([mouth.crop.of(luma) for luma in lumas])
        openings.append(mouth.opening(crops))
    first_s, step_s = first_face_s(_EXPECTED_FPS), float(1 / _EXPECTED_FPS)
    return Signal(first_s + step_s * np.arange(len(faces)), np.concatenate(openings))


def estimate_lag(seen: Signal, truth: Signal, within_s: float) -> LagEstimate:
    """Return the lag of ``seen`` behind ``truth`` that gives the best correlation.

    Lags from ``-within_s`` to ``within_s`` are tried in steps of 1 ms, all with the
    same samples: those of ``seen`` in the time span of ``truth``.  ``truth`` is
    interpolated linearly.  The lag is NaN if there are too few samples, if a signal is
    constant, or if the best lag is at an end of the range: a better one may lie beyond.
    """
    inside = (seen.at_s >= truth.at_s[0]) & (seen.at_s <= truth.at_s[-1])
    opening = seen.opening[inside]
    if len(opening) < _MIN_FRAMES or not opening.std() or not truth.opening.std():
        return LagEstimate(np.nan, 0.0)
    lags = np.arange(-within_s, within_s + _LAG_STEP_S / 2, _LAG_STEP_S)
    lagged_at_s = seen.at_s[inside] - lags[:, None]
    lagged = np.interp(lagged_at_s, truth.at_s, truth.opening)  # [lags, n]
    lagged -= lagged.mean(1, keepdims=True)
    norm = lagged.std(1) * opening.std() * len(opening)
    correlations = lagged @ (opening - opening.mean())
    correlations = correlations / np.where(norm > 0, norm, np.inf)
    best = int(np.argmax(correlations))
    inner = 0 < best < len(lags) - 1
    return LagEstimate(
        float(lags[best]) if inner else np.nan, float(correlations[best])
    )


def _lumas_of(rig: Rig, faces: npt.NDArray[np.float32]) -> list[npt.NDArray[np.uint8]]:
    """Return the luma ``[H, W]`` of each face ``[n, 57]``."""
    rig_inputs = [RigInput(0, 0, 0.0, 0.0)] * len(faces)
    pixels = rig.draw(faces, rig_inputs)[:, : rig.width * rig.height]
    return [luma.reshape(rig.height, rig.width) for luma in pixels]
