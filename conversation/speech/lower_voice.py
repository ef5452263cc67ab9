"""
Lower voice made from a higher one, with its words and its timing.

The pitch is lowered by PSOLA (Moulines and Charpentier, 1990): windows of two periods
are taken at the pulses of the voice and put down again at the pulses of a lower one.
Playing the result slower then lowers the formants, as a longer vocal tract does.
"""

import numpy as np
import numpy.typing as npt

from conversation.speech.sound import VOICE_RATE, Sound, resampled

FORMANTS = 0.86  # a man's formants, relative to a woman's
PITCH = 0.72  # before the formants are lowered, which lowers the pitch too
_UNVOICED_HZ = 200.0  # rate of the windows where there is no pitch
_MIN_PITCH_HZ = 40.0  # the model gives 0 where there is none

Integers = npt.NDArray[np.int64]


def lower(sound: Sound, pitch_hz: Sound, hop: int) -> Sound:
    """
    Return a sound at 24 kHz with lower pitch and formants, longer by 1 / FORMANTS.

    ``pitch_hz`` has one value for each ``hop`` samples, 0 where there is no pitch.
    """
    voiced = pitch_hz > _MIN_PITCH_HZ
    if not voiced.any() or len(sound) < 2 * hop:
        return resampled(sound, FORMANTS * VOICE_RATE, VOICE_RATE)
    centres = np.arange(len(pitch_hz)) * hop + hop / 2
    at = np.arange(len(sound))
    is_voiced = np.interp(at, centres, voiced.astype(float)) > 0.5
    pitch = np.interp(at, centres[voiced], pitch_hz[voiced])
    old_hz = np.where(is_voiced, pitch, _UNVOICED_HZ)
    new_hz = np.where(is_voiced, pitch * PITCH, _UNVOICED_HZ)
    moved = _move_pulses(sound, _pulses(old_hz), _pulses(new_hz), old_hz)
    return resampled(moved, FORMANTS * VOICE_RATE, VOICE_RATE)


def _pulses(rate_hz: npt.NDArray[np.float64]) -> Integers:
    """Return the samples at which a pulse train of that rate has its pulses."""
    turns = np.floor(np.cumsum(rate_hz / VOICE_RATE))
    return np.flatnonzero(np.diff(turns, prepend=0.0) > 0)


def _move_pulses(
    sound: Sound, old: Integers, new: Integers, rate_hz: npt.NDArray[np.float64]
) -> Sound:
    """Put a window of two periods at each new pulse, from the nearest old one."""
    nearest = old[np.searchsorted((old[1:] + old[:-1]) / 2, new)]
    periods = (VOICE_RATE / rate_hz[nearest]).astype(int)
    edge = int(VOICE_RATE / _MIN_PITCH_HZ)
    padded = np.pad(sound, edge)
    result = np.zeros_like(padded)
    windows: dict[int, Sound] = {}
    for to, source, period in zip(new + edge, nearest + edge, periods, strict=True):
        if (window := windows.get(period)) is None:
            window = np.hanning(2 * period + 1)[:-1].astype(np.float32)
            windows[period] = window
        grain = padded[source - period : source + period] * window
        result[to - period : to + period] += grain
    return result[edge:-edge]
