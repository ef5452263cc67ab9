"""
What lips and tongue do, from what is probably said around a moment.

The network's own curves are means over what might be said, and means have no range: a
doubtful UW is half a pucker.  Here the sounds around a moment pull by dominance
functions (`renderer.phonetics`), each as strongly as it is likely.
"""

import math
from functools import cache

import torch
from torch import Tensor

from renderer.network import CURVES, STEP_S
from renderer.phonetics import (
    AIMS,
    LIPS_S,
    ROUND_AFTER_S,
    ROUND_AHEAD_S,
    SOUNDS,
    TONGUE_S,
)

AROUND = (-3, -2, -1, 0, 1, 2)  # steps about a moment that are looked at
_PULLED = ("round", "funnel", "spread", "teeth", "tongue")
_SHARPER = 1.4  # power of a likelihood: doubt counts less
_SHARE = 0.8  # of what is pulled; the rest is the network's own curve
_BITES = tuple(SOUNDS.index(sound) for sound in ("F", "V"))
_NOW = AROUND.index(0)


def pulled(curves: Tensor, sounds: Tensor, known: Tensor) -> Tensor:
    """
    ``curves`` ``[.., len(CURVES)]`` and likelihoods ``[.., AROUND, len(SOUNDS)]``,
    ``known`` ``[.., AROUND]`` where there is one -> curves ``[.., len(CURVES)]``.

    F and V are rare and short, so the network is never sure of them: their bite is
    what is likely, to be held against a low threshold.
    """
    strength, aims = _tables(curves.device)
    likely = sounds.pow(_SHARPER)
    likely = likely / likely.sum(-1, keepdim=True) * known[..., None]
    pull = likely[..., None, :] * strength  # [.., AROUND, PULLED, SOUNDS]
    wanted = (pull * aims).sum((-3, -1)) / (pull.sum((-3, -1)) + 1e-6)
    made = curves.clone()
    places = _places(curves.device)
    made[..., places] = torch.lerp(curves[..., places], wanted, _SHARE)
    made[..., CURVES.index("bite")] = sounds[..., _NOW, _BITES].sum(-1)
    return made


@cache
def _places(device: torch.device) -> Tensor:
    return torch.tensor([CURVES.index(name) for name in _PULLED], device=device)


@cache
def _tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """Strengths ``[AROUND, PULLED, SOUNDS]`` and aims ``[PULLED, SOUNDS]``."""
    strength = torch.zeros(len(AROUND), len(_PULLED), len(SOUNDS))
    aims = torch.zeros(len(_PULLED), len(SOUNDS))
    for column, sound in enumerate(SOUNDS):
        aim = AIMS[sound]
        ahead_s = ROUND_AHEAD_S if aim.rounded else LIPS_S
        after_s = ROUND_AFTER_S if aim.rounded else LIPS_S
        for row, name in enumerate(_PULLED):
            aims[row, column] = getattr(aim, name)
            lips = name in ("round", "funnel", "spread")
            most = aim.lip_pull if lips else aim.tongue_pull
            for place, step in enumerate(AROUND):
                reach_s = (ahead_s if step > 0 else after_s) if lips else TONGUE_S
                strength[place, row, column] = most * math.exp(
                    -abs(step) * STEP_S / reach_s
                )
    return strength.to(device), aims.to(device)
