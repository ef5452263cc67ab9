"""
How loud a speaker is, and by how much the driver turns them up.

Soft speech loses its softest sounds, F and the burst of a P, below the floor of the
spectra; turned up, it has them.  Nobody is turned down: loud voices open the jaw.  A
speaker is taken for a soft one until they are heard, and what is well below them is
not taken for them: else the noise of a pause would be turned up to a mumble.
"""

import numpy as np
import numpy.typing as npt

from renderer.speech.mel import HOP
from renderer.speech.network import STEP

SOFT = 2e-3  # power of a soft speaker's loud vowels, full scale being 1: 27 dB below
_TARGET = 0.08
_MOST = 1000.0  # of power, 30 dB
_SPOKEN = 0.01  # of the loud vowels' power; what is softer tells nothing of them
_RISE, _FALL = 0.3, 0.05  # of the way, in a step of 20 ms

Array = npt.NDArray[np.float32]


def turned_up(powers: Array, loud: float) -> tuple[Array, float]:
    """
    For the power of each step ``[n]``, by how much to multiply it ``[n]``.

    ``loud``: how loud the speaker's vowels were so far, at first `SOFT`; it is told
    anew.  A step is judged by what came before it and by itself.
    """
    gains = np.empty(len(powers), np.float32)
    for i, power in enumerate(powers.tolist()):
        if power > loud * _SPOKEN:
            loud += (power - loud) * (_RISE if power > loud else _FALL)
        gains[i] = min(max(_TARGET / loud, 1.0), _MOST)
    return gains, loud


def frame_gains(sound: Array, loud: float) -> tuple[Array, float]:
    """The same of whole steps of sound ``[n]``, for its spectra ``[n / HOP]``."""
    gains, loud = turned_up(np.square(sound).reshape(-1, STEP).mean(1), loud)
    return gains.repeat(STEP // HOP), loud
