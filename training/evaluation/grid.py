"""Lip measures of faces on a common time grid.

The grid has a step of 10 ms, so that drivers of any frame rate can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from renderer.face import INDEX
from training.evaluation.clips import Clip
from training.phones import Phone

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

STEP_S = 0.010
_MIN_SILENCE_S = 0.300  # shorter silences are not used to judge lips at rest
_TRIM_S = 0.100  # cut from both ends of a silence: lips move for the speech beside it


@dataclass(frozen=True, slots=True)
class Track:
    """Faces of one clip; row i is for the time ``t0_s + i / fps``."""

    fps: float
    t0_s: float
    faces: npt.NDArray[np.float32]  # [n, 57], or its first 52 columns


@dataclass(frozen=True, slots=True)
class Lips:
    """Lip measures of faces, each ``[n]``, in units of ARKit weights (1 is fully on).

    opening   gap between the lips: jawOpen - mouthClose + .25 lowerDown
              + .15 upperUp + .10 funnel - .10 press - .10 (rollUpper + rollLower).
              The factors are about those of a face's geometry.  At 0 the lips touch,
              below 0 they are pressed.
    rounding  (pucker + funnel) - (stretch + smile) / 2
    spread    (stretch + smile) / 2
    bite      rollLower - rollUpper - press, at least 0: the two others close the lips
              without teeth
    press     press, or both lips rolled in
    """

    opening: Array
    rounding: Array
    spread: Array
    bite: Array
    press: Array

    def resampled(self, at_s: Array, new_s: Array) -> "Lips":
        """Return the measures, given at times ``at_s``, interpolated at ``new_s``.

        The interpolation is linear; the first and last values are held.
        """
        names = self.__slots__
        return Lips(*(np.interp(new_s, at_s, getattr(self, name)) for name in names))

    def matrix(self) -> Array:
        """Return the measures as columns ``[n, 5]``."""
        columns: Array = np.stack([getattr(self, n) for n in self.__slots__], 1)
        return columns


def read_lips(faces: npt.NDArray[np.floating]) -> Lips:
    """Return the lip measures of faces ``[n, 52]`` or more columns of ARKit weights."""

    def weight(name: str) -> Array:
        return faces[:, INDEX[name]].astype(np.float64)

    def sides(name: str) -> Array:
        return 0.5 * (weight(name + "Left") + weight(name + "Right"))

    upper, lower = weight("mouthRollUpper"), weight("mouthRollLower")
    press = sides("mouthPress")
    funnel = weight("mouthFunnel")
    spread = sides("mouthStretch") + sides("mouthSmile")
    parted = 0.25 * sides("mouthLowerDown") + 0.15 * sides("mouthUpperUp")
    opening = weight("jawOpen") - weight("mouthClose") + (parted + 0.10 * funnel)
    return Lips(
        opening=opening - 0.10 * (press + upper + lower),
        rounding=weight("mouthPucker") + funnel - spread / 2,
        spread=spread / 2,
        bite=np.clip(lower - upper - press, 0, None),
        press=np.maximum(press, np.minimum(upper, lower)),
    )


def grid(clip: Clip) -> Array:
    """Return the times in seconds of the clip's grid, every 10 ms from 0 to its end."""
    return np.arange(int(clip.seconds / STEP_S), dtype=np.float64) * STEP_S


def on_grid(track: Track, clip: Clip) -> Lips:
    """Return the lip measures of a track on the grid of its clip."""
    at = track.t0_s + np.arange(len(track.faces)) / track.fps
    return read_lips(track.faces).resampled(at, grid(clip))


def speech_mask(clip: Clip) -> Mask:
    """Return where on the grid there is speech, including short silences inside it."""
    pauses = zip(clip.phones, clip.pauses(), strict=True)
    return ~_within(clip, [phone for phone, pause in pauses if pause])


def silence_mask(clip: Clip) -> Mask:
    """Return where on the grid lips should rest: the inside of long silences."""
    trimmed = [
        phone._replace(start_s=phone.start_s + _TRIM_S, end_s=phone.end_s - _TRIM_S)
        for phone in clip.phones
        if phone.phoneme == "SIL" and phone.end_s - phone.start_s >= _MIN_SILENCE_S
    ]
    return _within(clip, trimmed)


def _within(clip: Clip, phones: Sequence[Phone]) -> Mask:
    at = grid(clip)
    inside = np.zeros(len(at), bool)
    for phone in phones:
        inside |= (at >= phone.start_s) & (at < phone.end_s)
    return inside
