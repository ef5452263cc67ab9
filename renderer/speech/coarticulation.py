"""
Coarticulation: curves of jaw, lips and tongue from the phonemes likely around a moment.

The network's own curves are means over the phonemes that may be spoken, and a mean has
too little range: an uncertain UW is half a pucker, an uncertain AA is half open. Here
each phoneme around the moment pulls with its dominance function
(`renderer.speech.phonemes`), weighted by its likelihood.

The input has a few dozen numbers a frame. This is numpy, because its overhead per call
is a third of torch's.
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from renderer.speech.network_shape import CURVES, STEP_S
from renderer.speech.phonemes import (
    JAW_REACH_S,
    PHONEMES,
    TARGETS,
    TONGUE_REACH_S,
    PhonemeTarget,
)

Array = npt.NDArray[np.float32]

CONTEXT = (-3, -2, -1, 0, 1, 2)  # steps around a moment whose phonemes count
MODELLED = ("jaw", "round", "funnel", "spread", "teeth", "tongue")
COLUMNS = [CURVES.index(name) for name in MODELLED]
LIKELIHOOD_EXPONENT = 1.2  # above 1: unlikely phonemes count less
# Share of the dominance model in each of MODELLED. The rest is the network's own
# curve, because the network's jaw follows loudness.
MODEL_SHARES = np.array([0.7, 1.0, 1.0, 1.0, 0.8, 0.8], np.float32)
# The closure of a stop is silent too. So silence pulls with all of its likelihood only
# where the mouth rests, and with this share of it elsewhere.
STOP_SHARE = 0.15
SILENCE, _REST = PHONEMES.index("SIL"), CURVES.index("rest")
BITES = [PHONEMES.index(name) for name in ("F", "V")]
_BITE = CURVES.index("bite")
CLOSURES = [PHONEMES.index(name) for name in ("P", "B", "M")]
_SHUT = CURVES.index("shut")
# Phonemes of the tongue whose audio is much like that of a lip closure.
TONGUES = [PHONEMES.index(name) for name in ("N", "T", "D", "TH", "K", "L", "R", "S")]
TONGUE_OPENING = 0.75  # share of a closure that a sure tongue phoneme takes away
# Lip curves use a 3-step average around the moment. Phoneme likelihoods are already
# smeared over time by uncertainty, and a peak of a single step is noise.
_LIP_CURVES = ("round", "funnel", "spread")
LIP_WEIGHTS = np.array(
    [{-1: 1, 0: 2, 1: 1}.get(step, 0) for step in CONTEXT], np.float32
)


def coarticulate(curves: Array, phonemes: Array, known: Array) -> Array:
    """
    Return the network's ``curves`` ``[n, len(CURVES)]`` with coarticulation.

    ``phonemes`` ``[n, len(CONTEXT), len(PHONEMES)]`` has the likelihoods at each step
    around the moment, ``known`` ``[n, len(CONTEXT)]`` is 1 where there are any.
    """
    strength, pulls = pull_tables()
    likely = phonemes**LIKELIHOOD_EXPONENT
    likely[..., SILENCE] *= STOP_SHARE + (1 - STOP_SHARE) * curves[:, [_REST]]
    likely *= (known / likely.sum(-1))[..., None]
    flat = likely.reshape(len(likely), -1)
    modelled = (flat @ pulls) / (flat @ strength + 1e-6)
    result = curves.copy()
    result[:, COLUMNS] += MODEL_SHARES * (modelled - curves[:, COLUMNS])
    weights = known * LIP_WEIGHTS
    weights /= weights.sum(-1, keepdims=True)
    now = (weights[:, None] @ phonemes)[:, 0]
    # F and V are rare and short, so the network's bite curve never gets high. Their
    # likelihood replaces it; `mouth_weights` compares it with a low threshold.
    result[:, _BITE] = now[:, BITES].sum(-1)
    # Lips that also close for N or T look like mumbling.
    shut = curves[:, _SHUT] * (1 - TONGUE_OPENING * now[:, TONGUES].sum(-1))
    result[:, _SHUT] = 0.5 * (shut + now[:, CLOSURES].sum(-1))
    return result


@cache
def pull_tables() -> tuple[Array, Array]:
    """
    Return the strength of each phoneme at each step, and target times strength.

    Both are ``[len(CONTEXT) * len(PHONEMES), len(MODELLED)]``.
    """
    strength = np.zeros((len(CONTEXT), len(PHONEMES), len(MODELLED)), np.float32)
    pulls = np.zeros_like(strength)
    for row, phoneme in enumerate(PHONEMES):
        target = TARGETS[phoneme]
        for column, name in enumerate(MODELLED):
            for i, step in enumerate(CONTEXT):
                dominance = _dominance(target, name, step)
                strength[i, row, column] = dominance
                pulls[i, row, column] = dominance * getattr(target, name)
    size = len(CONTEXT) * len(PHONEMES)
    return strength.reshape(size, -1), pulls.reshape(size, -1)


def _dominance(target: PhonemeTarget, name: str, step: int) -> float:
    """Return how strongly a phoneme ``step`` steps from the moment pulls a curve."""
    if name in _LIP_CURVES:
        return target.lip_dominance * float(LIP_WEIGHTS[CONTEXT.index(step)])
    peak, reach_s = (
        (target.jaw_dominance, JAW_REACH_S)
        if name == "jaw"
        else (target.tongue_dominance, TONGUE_REACH_S)
    )
    return peak * math.exp(-abs(step) * STEP_S / reach_s)
