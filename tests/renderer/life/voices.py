"""A synthetic voice whose stressed syllables are known."""

import numpy as np

RATE = 24_000
SYLLABLE_S = 0.25


def voice(seconds, stressed_s, gain=1.0):
    """
    Return s16le of four syllables a second, in a low voice with some harmonics.

    Syllables that begin at ``stressed_s`` are 7 dB louder and 4 semitones higher.
    """
    t = np.arange(round(seconds * RATE)) / RATE
    hertz = np.full(len(t), 120.0)
    loud = 0.08 * np.sin(np.pi * (t / SYLLABLE_S % 1)) ** 2
    for at_s in stressed_s:
        inside = (t >= at_s) & (t < at_s + SYLLABLE_S)
        arc = np.sin(np.pi * (t[inside] - at_s) / SYLLABLE_S)
        hertz[inside] *= 2 ** (4 * arc / 12)
        loud[inside] *= 1 + 1.2 * arc
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    wave = sum(np.sin(n * phase) / n for n in range(1, 9))
    return (gain * loud * wave * 32767).clip(-32768, 32767).astype("<i2").tobytes()
