"""
Automatic gain control: how far the driver amplifies a quiet speaker.

The quietest sounds of quiet speech, such as F and the burst of P, lie below the floor
of the spectra; amplified, they lie above it. Loud speech is never attenuated, because
it opens the jaw further. The gain starts as for a quiet speaker and adapts to the
speaker's own level. Steps 20 dB below that level do not change it, so that noise in a
pause is not amplified until it looks like mumbling.
"""

import numpy as np
import numpy.typing as npt

from renderer.speech.mel import HOP
from renderer.speech.network_shape import STEP

# Powers are relative to full scale. This is the power of a quiet speaker's loud vowels:
# -27 dB.
SOFT_POWER = 2e-3
TARGET_POWER = 0.08
MAX_GAIN = 8000.0  # of power: 39 dB
SPEECH_RATIO = 0.01  # of the vowels' power; quieter steps do not change the gain
RISE, FALL = 0.3, 0.05  # share of the difference that is adopted in a 20 ms step

Array = npt.NDArray[np.float32]


def agc_gains(powers: Array, vowel_power: float) -> tuple[Array, float]:
    """
    Return the gain of each step ``[n]``, as a factor of power, and the vowel power.

    ``powers`` ``[n]`` are the steps' own, ``vowel_power`` that of the speaker's loud
    vowels before them, at first `SOFT_POWER`. The gain of a step depends on it and on
    the steps before.
    """
    gains = np.empty(len(powers), np.float32)
    for i, power in enumerate(powers.tolist()):
        if power > vowel_power * SPEECH_RATIO:
            rate = RISE if power > vowel_power else FALL
            vowel_power += (power - vowel_power) * rate
        gains[i] = min(max(TARGET_POWER / vowel_power, 1.0), MAX_GAIN)
    return gains, vowel_power


def frame_gains(audio: Array, vowel_power: float) -> tuple[Array, float]:
    """
    Return the gains of the spectra ``[n / HOP]`` of ``audio`` ``[n]``, whole steps.

    ``vowel_power`` and its new value are those of `agc_gains`.
    """
    powers = np.square(audio).reshape(-1, STEP).mean(1)
    gains, vowel_power = agc_gains(powers, vowel_power)
    return gains.repeat(STEP // HOP), vowel_power
