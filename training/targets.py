"""Training targets: mouth curves from phone times, by a coarticulation model.

The model is that of Cohen and Massaro (1993). Every phoneme pulls each articulator
towards its own target, with a dominance that rises before it and falls after it. The
curve is the mean of the targets, weighted by dominance. Jaw and lips have dominances of
their own, as in JALI (Edwards et al. 2016). The closure of P, B and M and the bite of F
and V must be complete to be understood, so they are added as trapezoids.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.speech.network import CURVES, STEP_S
from renderer.speech.phonemes import (
    JAW_REACH_S,
    LIP_REACH_S,
    PHONEMES,
    ROUND_AFTER_S,
    ROUND_AHEAD_S,
    TARGETS,
    TONGUE_REACH_S,
)
from training.phones import Phone

Array = npt.NDArray[Any]


_SHUT_PHONEMES, _BITE_PHONEMES = ("P", "B", "M"), ("F", "V")
_PAUSE_S = 0.150  # in a shorter silence the mouth does not rest
_ONSET_SHARE = 0.2  # of a phoneme at either end, in which its dominance is not yet full
_SHORT_S = 0.050  # a shorter phoneme has less dominance, as it never reaches its target
_STRESS = {0: 0.88, 1: 1.08}  # factor of the jaw's target by stress


def mouth_curves(
    phones: Sequence[Phone], steps: int, loudness: Array | None = None
) -> Array:
    """Return the mouth curves ``[steps, len(CURVES)]``, 0 to 1, one step every 20 ms.

    ``loudness`` ``[steps]`` scales the jaw; it is about 1 at the voice's usual level.
    """
    spans = _with_silence_around(phones, steps * STEP_S)
    at = np.arange(steps) * STEP_S
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


def phoneme_indices(phones: Sequence[Phone], steps: int) -> npt.NDArray[np.uint8]:
    """Return the index in ``PHONEMES`` of the phoneme at each step, ``[steps]``."""
    spans = _with_silence_around(phones, steps * STEP_S)
    starts = np.array([start for _, start, *_ in spans])
    at = np.searchsorted(starts, np.arange(steps) * STEP_S + 1e-6, side="right") - 1
    numbers = np.array([PHONEMES.index(phoneme) for phoneme, *_ in spans], np.uint8)
    classes: npt.NDArray[np.uint8] = numbers[at.clip(0)]
    return classes


def _with_silence_around(phones: Sequence[Phone], until_s: float) -> list[Phone]:
    """Return the phones with silence before and after, and adjacent silences merged."""
    spans: list[Phone] = [Phone("SIL", -1.0, phones[0][1] if phones else until_s, None)]
    last = phones[-1][2] if phones else 0.0
    for phone in (*phones, Phone("SIL", last, until_s + 1, None)):
        if phone[0] == "SIL" == spans[-1][0]:
            spans[-1] = Phone("SIL", spans[-1][1], phone[2], None)
        else:
            spans.append(phone)
    return spans


def _ramp(at: Array, start: float, end: float, rise: float, fall: float) -> Array:
    """Return 1 from ``start`` to ``end``, with cosine slopes before and after it."""
    up, down = (at - start) / rise + 1, (end - at) / fall + 1
    level: Array = 0.5 - 0.5 * np.cos(np.pi * np.clip(np.minimum(up, down), 0, 1))
    return level


def _trapezoids(
    spans: Sequence[Phone], phonemes: Sequence[str], at: Array, rise: float, fall: float
) -> Array:
    level = np.zeros(len(at))
    for phoneme, start, end, _ in spans:
        if phoneme in phonemes:
            level = np.maximum(level, _ramp(at, start, end, rise, fall))
    return level


def _rest_level(spans: Sequence[Phone], at: Array) -> Array:
    rest = np.zeros(len(at))
    for phoneme, start, end, _ in spans:
        if phoneme == "SIL" and end - start >= _PAUSE_S:
            inner = _ramp(at, start + 0.09, end - 0.08, rise=0.07, fall=0.07)
            rest = np.maximum(rest, inner)
    return rest
