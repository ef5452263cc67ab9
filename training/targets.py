"""Training targets: curves and phonemes of each step, from phone times."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from renderer.speech.network_shape import STEP_S
from renderer.speech.phone_curves import Array, phone_curves
from renderer.speech.phonemes import PHONEMES
from training.phones import Phone


def mouth_curves(
    phones: Sequence[Phone], steps: int, loudness: Array | None = None
) -> Array:
    """Return the mouth curves ``[steps, len(CURVES)]``, 0 to 1, one step every 20 ms.

    ``loudness`` ``[steps]`` scales the jaw; it is about 1 at the voice's usual level.
    """
    spans = _with_silence_around(phones, steps * STEP_S)
    return phone_curves(spans, np.arange(steps) * STEP_S, loudness)


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
