"""
Where lips close and part, found in the sound beside where a synthesiser says they do.

Synthesisers made of recordings have one segment for closure and burst of a stop, and
their other boundaries stand where labels once stood; both are mended here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.sounds import LIP_STOPS, VOWELS, sounds_of

STEP_S = 0.0025
RISE_DB = 5.0  # a release is at least so much louder than the closure
FIRST_OF_BEST = (
    0.6  # of two rises so alike the first is the burst, the second the voice
)

# Where no release is heard, so much of the segment is taken for closure.
CLOSED_SHARE = {"P": 0.7, "B": 0.85}
SHORTEST_SHARE = 0.25
CLOSING_BEFORE_S, CLOSING_AFTER_S = 0.025, 0.035
NASAL_REACH_S = 0.035

_NOISES = frozenset({"F", "V", "TH", "S", "SH", "CH", "T", "K"})
_HISSES = frozenset({"F", "TH", "S", "SH"})


def rise(
    sound: NDArray[np.float32], sample_rate: int, start: int, end: int
) -> int | None:
    """Sample of the first strong rise in level between two; None without one."""
    step = int(STEP_S * sample_rate)
    first, last = max(0, start - 3 * step), min(len(sound) - 1, end + 3 * step)
    count = (last - first) // step
    if end - start < 2 * step or count < 7:
        return None
    bright = np.diff(sound[first : first + count * step + 1].astype(np.float64))
    level = 10 * np.log10((bright.reshape(count, step) ** 2).mean(1) + 1e-8)
    smooth = np.convolve(level, np.ones(3) / 3, "valid")
    rises = smooth[3:] - smooth[:-3]  # across 7.5 ms, at the end of step k + 2
    best = float(rises.max())
    if best < RISE_DB:
        return None
    at = int(np.argmax(rises >= FIRST_OF_BEST * best))
    while at + 1 < len(rises) and rises[at + 1] > rises[at]:
        at += 1
    return min(max(first + (at + 3) * step, start), end)


def fall(
    sound: NDArray[np.float32], sample_rate: int, start: int, end: int
) -> int | None:
    """Sample of the last strong fall in level between two; None without one."""
    length = len(sound)
    risen = rise(sound[::-1], sample_rate, length - end, length - start)
    return None if risen is None else length - risen


def mended(
    sound: NDArray[np.float32],
    sample_rate: int,
    alphabet: str,
    symbols: Sequence[str],
    ends_s: Sequence[float],
    late_s: Mapping[str, float],
) -> list[float]:
    """Starts [s] of segments that end at ``ends_s``, as a mouth makes them.

    P, B and M reach from closing to release, as heard. ``late_s`` says how long after
    its label a voice's sound changes: ``noise`` from a vowel to a noise, ``vowel`` from
    a hiss to a vowel.
    """
    firsts = [sounds_of(alphabet, symbol)[0] for symbol in symbols]
    starts = [0.0, *ends_s[:-1]]
    ear = _Ear(sound, sample_rate)
    for k, (before, now) in enumerate(pairwise(firsts), 1):
        if before in VOWELS and now in _NOISES:
            starts[k] += late_s.get("noise", 0.0)
        elif before in _HISSES and now in VOWELS:
            starts[k] += late_s.get("vowel", 0.0)
    for k, (now, end_s) in enumerate(zip(firsts, ends_s, strict=True)):
        after_vowel = k > 0 and firsts[k - 1] in VOWELS
        if now in LIP_STOPS:
            label_s = starts[k]
            if after_vowel:
                latest_s = min(label_s + CLOSING_AFTER_S, (label_s + end_s) / 2)
                starts[k] = ear.fall_s(label_s - CLOSING_BEFORE_S, latest_s, label_s)
            if k + 1 < len(starts):
                earliest_s = starts[k] + SHORTEST_SHARE * (end_s - starts[k])
                share_s = label_s + CLOSED_SHARE[now] * (end_s - label_s)
                starts[k + 1] = ear.rise_s(earliest_s, end_s, share_s)
        elif now == "M" and after_vowel:
            starts[k] = ear.fall_s(*_around(starts[k - 1], starts[k], end_s), starts[k])
        elif now in VOWELS and k > 0 and firsts[k - 1] == "M":
            starts[k] = ear.rise_s(*_around(starts[k - 1], starts[k], end_s), starts[k])
    return starts


def _around(before_s: float, label_s: float, end_s: float) -> tuple[float, float]:
    """Where a boundary may be: near its label, within half of each neighbour."""
    return (
        max(label_s - NASAL_REACH_S, (before_s + label_s) / 2),
        min(label_s + NASAL_REACH_S, (label_s + end_s) / 2),
    )


@dataclass(frozen=True, slots=True)
class _Ear:
    """A sound, asked for its steps in seconds; ``otherwise_s`` where there is none."""

    sound: NDArray[np.float32]
    sample_rate: int

    def rise_s(self, start_s: float, end_s: float, otherwise_s: float) -> float:
        start, end = int(start_s * self.sample_rate), int(end_s * self.sample_rate)
        heard = rise(self.sound, self.sample_rate, start, end)
        return otherwise_s if heard is None else heard / self.sample_rate

    def fall_s(self, start_s: float, end_s: float, otherwise_s: float) -> float:
        start, end = int(start_s * self.sample_rate), int(end_s * self.sample_rate)
        heard = fall(self.sound, self.sample_rate, start, end)
        return otherwise_s if heard is None else heard / self.sample_rate
