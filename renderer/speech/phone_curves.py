"""
Mouth curves from phones with their times, by a coarticulation model.

The model is that of Cohen and Massaro (1993). Every phoneme pulls each articulator
towards its own target, with a dominance that rises before it and falls after it. The
curve is the mean of the targets, weighted by dominance. Jaw and lips have dominances of
their own, as in JALI (Edwards et al. 2016). The closure of P, B and M and the bite of F
and V must be complete to be understood, so they are added as trapezoids.

The network is trained on these curves, and the driver shows them where phones are
given.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.frames import Phone
from renderer.speech.network_shape import CURVES
from renderer.speech.phonemes import (
    JAW_REACH_S,
    LIP_REACH_S,
    ROUND_AFTER_S,
    ROUND_AHEAD_S,
    TARGETS,
    TONGUE_REACH_S,
)

Array = npt.NDArray[Any]


_SHUT_PHONEMES, _BITE_PHONEMES = ("P", "B", "M"), ("F", "V")
_PAUSE_S = 0.150  # in a shorter silence the mouth does not rest
_ONSET_SHARE = 0.2  # of a phoneme at either end, in which its dominance is not yet full
_SHORT_S = 0.050  # a shorter phoneme has less dominance, as it never reaches its target
_STRESS = {0: 0.88, 1: 1.08}  # factor of the jaw's target by stress


def phone_curves(
    spans: Sequence[Phone], at: Array, loudness: Array | None = None
) -> Array:
    """
    Return the mouth curves ``[n, len(CURVES)]``, 0 to 1, at times ``at`` ``[n]`` in s.

    ``spans`` are phones without gaps between them. ``loudness`` ``[n]`` scales the jaw;
    it is about 1 at the voice's usual level.
    """
    targets = [TARGETS[phoneme] for phoneme, *_ in spans]
    start, end = (np.array([span[i] for span in spans], float) for i in (1, 2))
    length = end - start
    silent = np.array([span[0] == "SIL" for span in spans])
    weakness = np.where(silent & (length < _PAUSE_S), 0.35, 1.0)
    weakness *= np.clip(length / _SHORT_S, 0.4, 1.0)
    before = np.maximum(start[:, None] + _ONSET_SHARE * length[:, None] - at, 0)
    after = np.maximum(at - end[:, None] + _ONSET_SHARE * length[:, None], 0)

    def of(name: str) -> Array:
        return np.array([getattr(target, name) for target in targets])

    def blend(values: Array, pull: Array, ahead_s: Array, behind_s: Array) -> Array:
        reach = np.exp(-before / ahead_s[:, None] - after / behind_s[:, None])
        dominance = (pull * weakness)[:, None] * reach
        mean: Array = values @ (dominance / (dominance.sum(0) + 1e-9))
        return mean

    reaches_s = (JAW_REACH_S, TONGUE_REACH_S)
    jaw_s, tongue_s = (np.full(len(spans), reach_s) for reach_s in reaches_s)
    rounded = of("rounded")
    ahead_s = np.where(rounded, ROUND_AHEAD_S, LIP_REACH_S)
    behind_s = np.where(rounded, ROUND_AFTER_S, LIP_REACH_S)
    lip_dominance, tongue_dominance = of("lip_dominance"), of("tongue_dominance")
    stress = np.array(
        [_STRESS.get(s, 1.0) if s is not None else 1.0 for *_, s in spans]
    )
    levels = {
        "jaw": blend(of("jaw") * stress, of("jaw_dominance"), jaw_s, jaw_s),
        "round": blend(of("round"), lip_dominance, ahead_s, behind_s),
        "funnel": blend(of("funnel"), lip_dominance, ahead_s, behind_s),
        "spread": blend(of("spread"), lip_dominance, ahead_s, behind_s),
        "teeth": blend(of("teeth"), tongue_dominance, tongue_s, tongue_s),
        "tongue": blend(of("tongue"), tongue_dominance, tongue_s, tongue_s),
        "shut": _trapezoids(spans, _SHUT_PHONEMES, at, rise=0.050, fall=0.040),
        "bite": _trapezoids(spans, _BITE_PHONEMES, at, rise=0.055, fall=0.045),
        "rest": _rest_level(spans, at),
    }
    jaw = levels["jaw"]
    if loudness is not None:
        jaw = jaw * np.clip(loudness, 0.8, 1.15)
    levels["jaw"] = jaw * (1 - 0.8 * levels["shut"]) * (1 - 0.5 * levels["bite"])
    return np.stack([levels[name] for name in CURVES], 1).clip(0, 1).astype(np.float32)


def _ramps(
    times: Sequence[tuple[float, float]], at: Array, rise: float, fall: float
) -> Array:
    """Return 1 from any start to its end, with cosine slopes before and after it."""
    start, end = np.array(times, float).reshape(-1, 2, 1).swapaxes(0, 1)
    up, down = (at - start) / rise + 1, (end - at) / fall + 1
    nearest = np.minimum(up, down).max(0, initial=0)
    level: Array = 0.5 - 0.5 * np.cos(np.pi * np.clip(nearest, 0, 1))
    return level


def _trapezoids(
    spans: Sequence[Phone], phonemes: Sequence[str], at: Array, rise: float, fall: float
) -> Array:
    times = [(start, end) for phoneme, start, end, _ in spans if phoneme in phonemes]
    return _ramps(times, at, rise, fall)


def _rest_level(spans: Sequence[Phone], at: Array) -> Array:
    times = [
        (start + 0.09, end - 0.08)
        for phoneme, start, end, _ in spans
        if phoneme == "SIL" and end - start >= _PAUSE_S
    ]
    return _ramps(times, at, rise=0.07, fall=0.07)
