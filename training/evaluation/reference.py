"""Reference lips of a clip, computed from the times of its phones alone.

The model is independent of the targets that drivers are trained on, and simpler.  Every
phone has target values and weights; a curve is the weighted mean of the targets with a
Gaussian window.  Closures and bites are added on top.  Real lips move in more ways,
which are not judged.
"""

import numpy as np

from renderer.face import INDEX, SIZE
from training.evaluation.clips import Clip
from training.evaluation.grid import STEP_S, Array, Lips, Track, grid

FPS = 25
CLOSED, BITE = frozenset("PBM"), frozenset("FV")
# Standard deviations of the smoothing.  Rounding starts earlier and lasts longer.
_SMOOTH_OPENING_S, _SMOOTH_ROUNDING_S = 0.035, 0.055
_CLOSE_S, _BITE_S = 0.040, 0.045  # duration of the way to a closure or a bite, and back
_BITE_OPENING = 0.12

# Opening, its weight, rounding (> 0) or spread (< 0), its weight.
_TARGETS: dict[str, tuple[float, float, float, float]] = {
    "SIL": (0.0, 1.0, 0.0, 0.6),
    "AA": (1.0, 1.0, 0.0, 0.6), "AE": (0.90, 1.0, -0.3, 0.6),
    "AH": (0.65, 0.8, 0.0, 0.4), "AX": (0.45, 0.4, 0.0, 0.2),
    "AO": (0.75, 1.0, 0.5, 0.9), "EH": (0.65, 0.9, -0.3, 0.6),
    "EE": (0.50, 0.9, -0.5, 0.8), "IH": (0.42, 0.7, -0.4, 0.6),
    "IY": (0.35, 0.9, -0.8, 1.0), "YY": (0.25, 0.9, 0.9, 1.0),
    "OE": (0.40, 0.9, 0.8, 1.0), "UH": (0.38, 0.7, 0.6, 0.7),
    "UW": (0.25, 0.9, 1.0, 1.0), "OW": (0.50, 1.0, 0.8, 1.0),
    "ER": (0.42, 0.7, 0.3, 0.6), "W": (0.20, 0.9, 1.0, 1.1),
    "P": (0.10, 1.0, 0.0, 0.1), "B": (0.10, 1.0, 0.0, 0.1), "M": (0.10, 1.0, 0.0, 0.1),
    "F": (0.15, 0.9, 0.0, 0.3), "V": (0.15, 0.9, 0.0, 0.3),
    "TH": (0.32, 0.7, -0.1, 0.3), "S": (0.25, 0.9, -0.3, 0.4),
    "SH": (0.28, 0.9, 0.7, 1.0), "CH": (0.28, 0.9, 0.6, 0.9),
    "T": (0.30, 0.6, -0.1, 0.1), "D": (0.30, 0.6, -0.1, 0.1),
    "N": (0.32, 0.5, -0.1, 0.1), "L": (0.38, 0.5, -0.1, 0.2),
    "R": (0.35, 0.5, 0.4, 0.7), "K": (0.38, 0.2, -0.1, 0.1),
    "H": (0.45, 0.1, 0.0, 0.1), "Y": (0.30, 0.7, -0.6, 0.7),
}  # fmt: skip


def reference_lips(clip: Clip) -> Lips:
    """Return the measures that the lips should have on the clip's grid."""
    at = grid(clip)
    # In a short silence the lips hardly move, as for an H.
    phonemes = [
        "H" if phone.phoneme == "SIL" and not pause else phone.phoneme
        for phone, pause in zip(clip.phones, clip.pauses(), strict=True)
    ]
    targets = np.array([_TARGETS[phoneme] for phoneme in phonemes])
    starts = np.array([phone.start_s for phone in clip.phones])
    index = np.searchsorted(starts, at, side="right").clip(1) - 1
    opening = _blend(targets[index, 0], targets[index, 1], _SMOOTH_OPENING_S)
    rounding = _blend(targets[index, 2], targets[index, 3], _SMOOTH_ROUNDING_S)
    closed = interval_level(clip, CLOSED, _CLOSE_S)
    bite = interval_level(clip, BITE, _BITE_S)
    opening = opening + (_BITE_OPENING - opening) * bite
    return Lips(
        opening=opening * (1 - closed),
        rounding=rounding,
        spread=np.clip(-rounding, 0, None),
        bite=bite * (1 - closed),
        press=closed,
    )


def interval_level(clip: Clip, phonemes: frozenset[str], ramp_s: float) -> Array:
    """Return 1 during ``phonemes``, a smooth ramp on either side, and 0 elsewhere."""
    at = grid(clip)
    level = np.zeros(len(at))
    for phone in clip.phones:
        if phone.phoneme in phonemes:
            outside = np.maximum(phone.start_s - at, at - phone.end_s)
            level = np.maximum(level, np.clip(1 - outside / ramp_s, 0, 1))
    smooth: Array = level * level * (3 - 2 * level)
    return smooth


def reference_track(clip: Clip) -> Track:
    """Return the reference lips as faces: the upper bound of what the measures give."""
    lips = reference_lips(clip)
    at = np.arange(0.5 / FPS, clip.seconds, 1 / FPS)
    lips = lips.resampled(grid(clip), at)
    faces = np.zeros((len(at), SIZE), np.float32)
    rounded = np.clip(lips.rounding, 0, 1)
    amounts = {
        "jawOpen": 0.7 * lips.opening * (1 - 0.3 * rounded),
        "mouthPucker": 0.7 * rounded,
        "mouthFunnel": 0.3 * rounded,
        "mouthStretchLeft": 0.8 * lips.spread,
        "mouthSmileLeft": 0.3 * lips.spread,
        "mouthRollLower": 0.7 * lips.bite,
        "mouthPressLeft": 0.5 * lips.press,
    }
    for name, amount in amounts.items():
        faces[:, INDEX[name]] = amount
        if name.endswith("Left"):
            faces[:, INDEX[name.removesuffix("Left") + "Right"]] = amount
    return Track(FPS, float(at[0]) if len(at) else 0.0, faces)


def _blend(values: Array, weights: Array, smooth_s: float) -> Array:
    """Return the mean of ``values`` in a Gaussian window, weighted by ``weights``."""
    reach = round(3 * smooth_s / STEP_S)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * STEP_S / smooth_s) ** 2)

    def smooth(row: Array) -> Array:
        padded = np.pad(row, reach, mode="edge")
        return np.convolve(padded, kernel, mode="valid")

    blended: Array = smooth(values * weights) / smooth(weights)
    return blended
