"""
What jaw, lips and tongue do, from what is probably said around a moment.

The network's own curves are means over what might be said, and means have no range: a
doubtful UW is half a pucker, a doubtful AA half open.  Here the sounds around a moment
pull by dominance functions (`renderer.speech.phonemes`), each as strongly as it is
likely.

A few dozen numbers a frame: numpy, which takes a third of torch's time to start.
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from renderer.speech.network import CURVES, STEP_S
from renderer.speech.phonemes import JAW_S, SOUNDS, TARGETS, TONGUE_S, PhonemeTarget

Array = npt.NDArray[np.float32]

AROUND = (-3, -2, -1, 0, 1, 2)  # steps about a moment that are looked at
_PULLED = ("jaw", "round", "funnel", "spread", "teeth", "tongue")
_PLACES = [CURVES.index(name) for name in _PULLED]
_SHARPER = 1.2  # power of a likelihood: doubt counts less
# Of what is pulled; the rest is the network's own curve, which knows how loud a jaw is.
_SHARES = np.array([0.7, 1.0, 1.0, 1.0, 0.8, 0.8], np.float32)
# Stops are silent too: silence pulls wholly only where the mouth rests.
_SILENCE, _REST, _STOP = SOUNDS.index("SIL"), CURVES.index("rest"), 0.15
_BITES = [SOUNDS.index(sound) for sound in ("F", "V")]
_BITE = CURVES.index("bite")
_CLOSURES = [SOUNDS.index(sound) for sound in ("P", "B", "M")]
_SHUT = CURVES.index("shut")
# Made with the tongue, and to be heard much like lips that shut.
_TONGUE = [SOUNDS.index(sound) for sound in ("N", "T", "D", "TH", "K", "L", "R", "S")]
_NOT_LIPS = 0.6
# Lips do what is said at the moment: what is likely is spread over time by doubt as it
# is. A sound of one step alone is a mistake.
_OF_LIPS = ("round", "funnel", "spread")
_MOMENT = np.array([{-1: 1, 0: 2, 1: 1}.get(step, 0) for step in AROUND], np.float32)


def pulled(curves: Array, sounds: Array, known: Array) -> Array:
    """
    ``curves`` ``[n, len(CURVES)]`` and likelihoods ``[n, AROUND, len(SOUNDS)]``,
    ``known`` ``[n, AROUND]``, 1 where there is one -> curves ``[n, len(CURVES)]``.
    """
    strength, aims = _tables()
    likely = sounds**_SHARPER
    likely[..., _SILENCE] *= _STOP + (1 - _STOP) * curves[:, [_REST]]
    likely *= (known / likely.sum(-1))[..., None]
    flat = likely.reshape(len(likely), -1)
    wanted = (flat @ aims) / (flat @ strength + 1e-6)
    made = curves.copy()
    made[:, _PLACES] += _SHARES * (wanted - curves[:, _PLACES])
    weights = known * _MOMENT
    weights /= weights.sum(-1, keepdims=True)
    now = (weights[:, None] @ sounds)[:, 0]
    # F and V are rare and short, so the network is never sure of them: their bite is
    # what is likely, to be held against a low threshold.
    made[:, _BITE] = now[:, _BITES].sum(-1)
    # A mouth that shuts for an N or a T as well is a mumble.
    shut = curves[:, _SHUT] * (1 - _NOT_LIPS * now[:, _TONGUE].sum(-1))
    made[:, _SHUT] = 0.5 * (shut + now[:, _CLOSURES].sum(-1))
    return made


@cache
def _tables() -> tuple[Array, Array]:
    """Strengths, and aims times strengths: ``[AROUND * SOUNDS, PULLED]`` each."""
    strength = np.zeros((len(AROUND), len(SOUNDS), len(_PULLED)), np.float32)
    aims = np.zeros_like(strength)
    for row, sound in enumerate(SOUNDS):
        aim = TARGETS[sound]
        for column, name in enumerate(_PULLED):
            for place, step in enumerate(AROUND):
                pull = _pull(aim, name, step)
                strength[place, row, column] = pull
                aims[place, row, column] = pull * getattr(aim, name)
    size = len(AROUND) * len(SOUNDS)
    return strength.reshape(size, -1), aims.reshape(size, -1)


def _pull(aim: PhonemeTarget, name: str, step: int) -> float:
    """How strongly a sound pulls that is said ``step`` steps from the moment."""
    if name in _OF_LIPS:
        return aim.lip_pull * float(_MOMENT[AROUND.index(step)])
    most, reach_s = (
        (aim.jaw_pull, JAW_S) if name == "jaw" else (aim.tongue_pull, TONGUE_S)
    )
    return most * math.exp(-abs(step) * STEP_S / reach_s)
