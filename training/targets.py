"""
From phone times to what a mouth does: coarticulation by dominance functions.

After Cohen and Massaro (1993): every sound pulls each articulator towards its own
target, with a strength that rises before it and falls after; what is seen is the mean
by strength.  Jaw and lips have strengths of their own, as in JALI (Edwards et al.
2016).  What must happen wholly or is not speech any more, the closure of P, B and M and
the bite of F and V, is laid over as trapezoids.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from renderer.network import CURVES, STEP_S
from training.sounds import SOUNDS, Phone

Array = npt.NDArray[Any]


class Aim(NamedTuple):
    """Where one sound pulls the mouth, 0..1, and how strongly."""

    jaw: float
    jaw_pull: float
    round: float = 0.0
    funnel: float = 0.0
    spread: float = 0.0
    lip_pull: float = 0.4
    teeth: float = 0.0
    tongue: float = 0.0


# fmt: off
AIMS: dict[str, Aim] = {
    "SIL": Aim(.00, .9, lip_pull=.5),
    # vowels, open to close
    "AA": Aim(.95, 1.0, lip_pull=.6), "AE": Aim(.85, 1.0, spread=.40, lip_pull=.6),
    "AH": Aim(.60, .80, spread=.05), "AX": Aim(.38, .40, lip_pull=.2),
    "AO": Aim(.70, 1.0, round=.35, funnel=.35, lip_pull=.9),
    "EH": Aim(.56, .90, spread=.40, lip_pull=.7),
    "EE": Aim(.40, .90, spread=.60, lip_pull=.8),
    "IH": Aim(.32, .70, spread=.40, lip_pull=.6),
    "IY": Aim(.20, .90, spread=.85, lip_pull=1.0),
    "YY": Aim(.18, .90, round=.85, funnel=.15, lip_pull=1.0),
    "OE": Aim(.40, .90, round=.60, funnel=.25, lip_pull=1.0),
    "UH": Aim(.30, .70, round=.45, funnel=.25, lip_pull=.7),
    "UW": Aim(.17, .90, round=.95, funnel=.10, lip_pull=1.0),
    "OW": Aim(.42, 1.0, round=.75, funnel=.20, lip_pull=1.0),
    "ER": Aim(.36, .70, round=.10, funnel=.40, lip_pull=.7, tongue=.1),
    # made with the lips
    "W": Aim(.16, .80, round=1.0, funnel=.05, lip_pull=1.1),
    "P": Aim(.08, 1.0, lip_pull=.15), "B": Aim(.08, 1.0, lip_pull=.15),
    "M": Aim(.08, 1.0, lip_pull=.15),
    "F": Aim(.12, .90, lip_pull=.35), "V": Aim(.12, .90, lip_pull=.35),
    # made with the tongue
    "TH": Aim(.22, .70, spread=.10, lip_pull=.3, teeth=.15, tongue=1.0),
    "S": Aim(.09, .95, spread=.35, lip_pull=.4, teeth=1.0, tongue=.2),
    "SH": Aim(.13, .95, round=.15, funnel=.80, lip_pull=1.0, teeth=.8, tongue=.2),
    "CH": Aim(.13, .95, round=.15, funnel=.70, lip_pull=.9, teeth=.7, tongue=.4),
    "T": Aim(.18, .55, spread=.10, lip_pull=.12, teeth=.4, tongue=.7),
    "D": Aim(.18, .55, spread=.10, lip_pull=.12, teeth=.4, tongue=.7),
    "N": Aim(.21, .50, spread=.10, lip_pull=.12, teeth=.2, tongue=.7),
    "L": Aim(.30, .50, spread=.10, lip_pull=.15, tongue=.9),
    "R": Aim(.26, .50, round=.25, funnel=.40, lip_pull=.7, tongue=.2),
    "K": Aim(.28, .20, spread=.10, lip_pull=.1),
    "H": Aim(.38, .10, lip_pull=.06),
    "Y": Aim(.20, .70, spread=.60, lip_pull=.7, tongue=.2),
}
# fmt: on

SHUT, BITE = ("P", "B", "M"), ("F", "V")
_JAW_S = 0.035  # how far a sound reaches beyond itself: strength falls to 1/e
_LIPS_S, _ROUND_AHEAD_S, _ROUND_AFTER_S = 0.040, 0.080, 0.050
_TONGUE_S = 0.020
_PAUSE_S = 0.150  # a shorter silence is not rest
_INSIDE = 0.2  # of a sound at either end, where its strength is not yet full
_SHORT_S = 0.050  # sounds shorter than this never get all the way
_STRESS = {0: 0.88, 1: 1.08}  # of the jaw
_ROUNDED = 0.4


def curves(phones: Sequence[Phone], steps: int, loudness: Array | None = None) -> Array:
    """
    What the mouth does at each step of 20 ms: ``[steps, len(CURVES)]``, 0..1.

    ``loudness`` ``[steps]`` is about 1 for the voice's usual level.
    """
    spans = _with_edges(phones, steps * STEP_S)
    at = np.arange(steps) * STEP_S
    aims = np.array([AIMS[sound] for sound, *_ in spans])
    start, end = (np.array([span[i] for span in spans], float) for i in (1, 2))
    length = end - start
    silent = np.array([span[0] == "SIL" for span in spans])
    weak = np.where(silent & (length < _PAUSE_S), 0.35, 1.0)
    weak *= np.clip(length / _SHORT_S, 0.4, 1.0)
    before = np.maximum(start[:, None] + _INSIDE * length[:, None] - at, 0)
    after = np.maximum(at - end[:, None] + _INSIDE * length[:, None], 0)

    def blend(values: Array, pull: Array, ahead: Array, behind: Array) -> Array:
        reach = np.exp(-before / ahead[:, None] - after / behind[:, None])
        strength = (pull * weak)[:, None] * reach
        mixed: Array = values @ (strength / (strength.sum(0) + 1e-9))
        return mixed

    many = np.ones(len(spans))
    stress = np.array(
        [_STRESS.get(s, 1.0) if s is not None else 1.0 for *_, s in spans]
    )
    rounded = aims[:, 2] + aims[:, 3] > _ROUNDED
    ahead = np.where(rounded, _ROUND_AHEAD_S, _LIPS_S)
    behind = np.where(rounded, _ROUND_AFTER_S, _LIPS_S)
    lip_pull, tongue_pull = aims[:, 5], np.maximum(aims[:, 6:8].max(1), 0.35)
    made = {
        "jaw": blend(aims[:, 0] * stress, aims[:, 1], _JAW_S * many, _JAW_S * many),
        "round": blend(aims[:, 2], lip_pull, ahead, behind),
        "funnel": blend(aims[:, 3], lip_pull, ahead, behind),
        "spread": blend(aims[:, 4], lip_pull, ahead, behind),
        "teeth": blend(aims[:, 6], tongue_pull, _TONGUE_S * many, _TONGUE_S * many),
        "tongue": blend(aims[:, 7], tongue_pull, _TONGUE_S * many, _TONGUE_S * many),
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
