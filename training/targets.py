"""
From phone times to what a mouth does: coarticulation by dominance functions.

After Cohen and Massaro (1993): every sound pulls each articulator towards its own
target, with a strength that rises before it and falls after; what is seen is the mean
by strength.  Jaw and lips have strengths of their own, as in JALI (Edwards et al.
2016).  What must happen wholly or is not speech any more, the closure of P, B and M and
the bite of F and V, is laid over as trapezoids.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.speech.network import CURVES, STEP_S
from renderer.speech.phonemes import (
    JAW_S,
    LIPS_S,
    ROUND_AFTER_S,
    ROUND_AHEAD_S,
    SOUNDS,
    TARGETS,
    TONGUE_S,
)
from training.sounds import Phone

Array = npt.NDArray[Any]


SHUT, BITE = ("P", "B", "M"), ("F", "V")
_PAUSE_S = 0.150  # a shorter silence is not rest
_INSIDE = 0.2  # of a sound at either end, where its strength is not yet full
_SHORT_S = 0.050  # sounds shorter than this never get all the way
_STRESS = {0: 0.88, 1: 1.08}  # of the jaw


def curves(phones: Sequence[Phone], steps: int, loudness: Array | None = None) -> Array:
    """
    What the mouth does at each step of 20 ms: ``[steps, len(CURVES)]``, 0..1.

    ``loudness`` ``[steps]`` is about 1 for the voice's usual level.
    """
    spans = _with_edges(phones, steps * STEP_S)
    at = np.arange(steps) * STEP_S
    aims = [TARGETS[sound] for sound, *_ in spans]
    start, end = (np.array([span[i] for span in spans], float) for i in (1, 2))
    length = end - start
    silent = np.array([span[0] == "SIL" for span in spans])
    weak = np.where(silent & (length < _PAUSE_S), 0.35, 1.0)
    weak *= np.clip(length / _SHORT_S, 0.4, 1.0)
    before = np.maximum(start[:, None] + _INSIDE * length[:, None] - at, 0)
    after = np.maximum(at - end[:, None] + _INSIDE * length[:, None], 0)

    def of(name: str) -> Array:
        return np.array([getattr(aim, name) for aim in aims])

    def blend(values: Array, pull: Array, ahead: Array, behind: Array) -> Array:
        reach = np.exp(-before / ahead[:, None] - after / behind[:, None])
        strength = (pull * weak)[:, None] * reach
        mixed: Array = values @ (strength / (strength.sum(0) + 1e-9))
        return mixed

    many = np.ones(len(spans))
    stress = np.array(
        [_STRESS.get(s, 1.0) if s is not None else 1.0 for *_, s in spans]
    )
    rounded = of("rounded")
    ahead = np.where(rounded, ROUND_AHEAD_S, LIPS_S)
    behind = np.where(rounded, ROUND_AFTER_S, LIPS_S)
    lip_pull, tongue_pull = of("lip_pull"), of("tongue_pull")
    made = {
        "jaw": blend(of("jaw") * stress, of("jaw_pull"), JAW_S * many, JAW_S * many),
        "round": blend(of("round"), lip_pull, ahead, behind),
        "funnel": blend(of("funnel"), lip_pull, ahead, behind),
        "spread": blend(of("spread"), lip_pull, ahead, behind),
        "teeth": blend(of("teeth"), tongue_pull, TONGUE_S * many, TONGUE_S * many),
        "tongue": blend(of("tongue"), tongue_pull, TONGUE_S * many, TONGUE_S * many),
        "shut": _laid(spans, SHUT, at, rise=0.050, fall=0.040),
        "bite": _laid(spans, BITE, at, rise=0.055, fall=0.045),
        "rest": _resting(spans, at),
    }
    if loudness is not None:
        made["jaw"] = made["jaw"] * np.clip(loudness, 0.8, 1.15)
    made["jaw"] = made["jaw"] * (1 - 0.8 * made["shut"]) * (1 - 0.5 * made["bite"])
    return np.stack([made[name] for name in CURVES], 1).clip(0, 1).astype(np.float32)


def sounds(phones: Sequence[Phone], steps: int) -> npt.NDArray[np.uint8]:
    """The number in ``SOUNDS`` of what is spoken at each step: ``[steps]``."""
    spans = _with_edges(phones, steps * STEP_S)
    starts = np.array([start for _, start, *_ in spans])
    at = np.searchsorted(starts, np.arange(steps) * STEP_S + 1e-6, side="right") - 1
    numbers = np.array([SOUNDS.index(sound) for sound, *_ in spans], np.uint8)
    spoken: npt.NDArray[np.uint8] = numbers[at.clip(0)]
    return spoken


def _with_edges(phones: Sequence[Phone], until_s: float) -> list[Phone]:
    """With silence before the first and after the last, and silences joined."""
    spans: list[Phone] = [Phone("SIL", -1.0, phones[0][1] if phones else until_s, None)]
    last = phones[-1][2] if phones else 0.0
    for phone in (*phones, Phone("SIL", last, until_s + 1, None)):
        if phone[0] == "SIL" == spans[-1][0]:
            spans[-1] = Phone("SIL", spans[-1][1], phone[2], None)
        else:
            spans.append(phone)
    return spans


def _ramp(at: Array, start: float, end: float, rise: float, fall: float) -> Array:
    """0 outside, 1 from ``start`` to ``end``, with soft slopes outside of them."""
    up, down = (at - start) / rise + 1, (end - at) / fall + 1
    level: Array = 0.5 - 0.5 * np.cos(np.pi * np.clip(np.minimum(up, down), 0, 1))
    return level


def _laid(
    spans: Sequence[Phone], which: Sequence[str], at: Array, rise: float, fall: float
) -> Array:
    laid = np.zeros(len(at))
    for sound, start, end, _ in spans:
        if sound in which:
            laid = np.maximum(laid, _ramp(at, start, end, rise, fall))
    return laid


def _resting(spans: Sequence[Phone], at: Array) -> Array:
    rest = np.zeros(len(at))
    for sound, start, end, _ in spans:
        if sound == "SIL" and end - start >= _PAUSE_S:
            inner = _ramp(at, start + 0.09, end - 0.08, rise=0.07, fall=0.07)
            rest = np.maximum(rest, inner)
    return rest
