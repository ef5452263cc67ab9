"""
Faces as the few amounts that a viewer reads, on one grid of time.

Whatever made the faces, and at whatever rate, they are compared on a grid of 10 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from renderer.face import INDEX
from training.evaluation.clips import Clip
from training.sounds import Phone

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

STEP_S = 0.010
_QUIET_S = 0.300  # a silence long enough to look at the lips,
_TRIM_S = 0.100  # less what speech may claim of it at both ends


@dataclass(frozen=True, slots=True)
class Track:
    """Faces of one clip: row i is for ``t0_s + i / fps``."""

    fps: float
    t0_s: float
    faces: npt.NDArray[np.float32]  # [n, 57], or its first 52 columns


@dataclass(frozen=True, slots=True)
class Lips:
    """
    What faces show of speech, each ``[n]``, in ARKit's units (1 is fully on).

    opening   the gap between the lips: the jaw, less what closes over it, plus what
              parts them: jawOpen - mouthClose + .25 lowerDown + .15 upperUp
              + .10 funnel - .10 press - .10 (rollUpper + rollLower).  The shares are
              about those of a face's geometry; 0 is lips that touch, < 0 pressed.
    rounding  (pucker + funnel) - (stretch + smile) / 2
    spread    (stretch + smile) / 2
    bite      rollLower alone: less rollUpper and press, which close without teeth
    press     press, or both lips rolled in
    """

    opening: Array
    rounding: Array
    spread: Array
    bite: Array
    press: Array

    def sampled(self, at: Array, on: Array) -> "Lips":
        """Between the moments ``at`` of its rows, straight lines; held at the ends."""
        names = self.__slots__
        return Lips(*(np.interp(on, at, getattr(self, name)) for name in names))

    def matrix(self) -> Array:
        """``[n, 5]``"""
        columns: Array = np.stack([getattr(self, n) for n in self.__slots__], 1)
        return columns


def read_lips(faces: npt.NDArray[np.floating]) -> Lips:
    """``[n, 52+]`` ARKit weights -> `Lips` of ``n``."""

    def of(name: str) -> Array:
        return faces[:, INDEX[name]].astype(np.float64)

    def both(name: str) -> Array:
        return 0.5 * (of(name + "Left") + of(name + "Right"))

    press, upper, lower = both("mouthPress"), of("mouthRollUpper"), of("mouthRollLower")
    funnel, spread = of("mouthFunnel"), both("mouthStretch") + both("mouthSmile")
    parted = 0.25 * both("mouthLowerDown") + 0.15 * both("mouthUpperUp") + 0.10 * funnel
    opening = of("jawOpen") - of("mouthClose") + parted
    return Lips(
        opening=opening - 0.10 * (press + upper + lower),
        rounding=of("mouthPucker") + funnel - spread / 2,
        spread=spread / 2,
        bite=np.clip(lower - upper - press, 0, None),
        press=np.maximum(press, np.minimum(upper, lower)),
    )


def grid(clip: Clip) -> Array:
    """Moments (s) every 10 ms from 0 to the clip's end."""
    return np.arange(int(clip.seconds / STEP_S), dtype=np.float64) * STEP_S


def on_grid(track: Track, clip: Clip) -> Lips:
    at = track.t0_s + np.arange(len(track.faces)) / track.fps
    return read_lips(track.faces).sampled(at, grid(clip))


def spoken(clip: Clip) -> Mask:
    """Where on the grid there is speech; a short silence between is part of it."""
    pauses = zip(clip.phones, clip.pauses(), strict=True)
    return ~_within(clip, [phone for phone, pause in pauses if pause])


def quiet(clip: Clip) -> Mask:
    """The inside of silences in which lips should not move."""
    long = [p for p in clip.phones if p.sound == "SIL" and p[2] - p[1] >= _QUIET_S]
    inner = [p._replace(start_s=p[1] + _TRIM_S, end_s=p[2] - _TRIM_S) for p in long]
    return _within(clip, inner)


def _within(clip: Clip, phones: Sequence[Phone]) -> Mask:
    at = grid(clip)
    inside = np.zeros(len(at), bool)
    for phone in phones:
        inside |= (at >= phone.start_s) & (at < phone.end_s)
    return inside
