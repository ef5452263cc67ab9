"""Correction of phone boundaries by the audio: where lips close and open.

Synthesisers built from recordings have one segment for closure and burst of a stop,
and their other boundaries are those of the recordings' labels, which are off by some
milliseconds. Both are corrected here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from protocol.phones.alphabets import LIP_STOPS, VOWELS

STEP_S = 0.0025
RISE_DB = 5.0  # a release is louder than the closure by at least this much
# Of two rises, the first is the burst and the second the onset of voicing, if the first
# is at least this share of the second.
FIRST_RISE_SHARE = 0.6

# Share of a stop's segment that is taken for the closure if no release is found.
CLOSURE_SHARE = {"P": 0.7, "B": 0.85}
MIN_CLOSURE_SHARE = 0.25  # of a stop's segment: its release is searched after it
# How far from its label a boundary is searched.
CLOSING_BEFORE_S, CLOSING_AFTER_S = 0.025, 0.035
NASAL_REACH_S = 0.035

_OBSTRUENTS = frozenset({"F", "V", "TH", "S", "SH", "CH", "T", "K"})
_FRICATIVES = frozenset({"F", "TH", "S", "SH"})


def find_rise(
    audio: NDArray[np.float32], sample_rate: int, start: int, end: int
) -> int | None:
    """Return the sample of the first strong rise in level, None without one.

    ``start`` and ``end`` are the samples to search between. The level is that of the
    first difference, which weights high frequencies, as a burst has them.
    """
    step = int(STEP_S * sample_rate)
    first, last = max(0, start - 3 * step), min(len(audio) - 1, end + 3 * step)
    count = (last - first) // step
    if end - start < 2 * step or count < 7:
        return None
    treble = np.diff(audio[first : first + count * step + 1].astype(np.float64))
    level = 10 * np.log10((treble.reshape(count, step) ** 2).mean(1) + 1e-8)
    smooth = np.convolve(level, np.ones(3) / 3, "valid")
    rises = smooth[3:] - smooth[:-3]  # over 7.5 ms; rise k is at the end of step k + 2
    best = float(rises.max())
    if best < RISE_DB:
        return None
    at = int(np.argmax(rises >= FIRST_RISE_SHARE * best))
    while at + 1 < len(rises) and rises[at + 1] > rises[at]:
        at += 1
    return min(max(first + (at + 3) * step, start), end)


def find_fall(
    audio: NDArray[np.float32], sample_rate: int, start: int, end: int
) -> int | None:
    """Return the sample of the last strong fall in level, None without one."""
    length = len(audio)
    mirrored = find_rise(audio[::-1], sample_rate, length - end, length - start)
    return None if mirrored is None else length - mirrored


def correct_starts(
    audio: NDArray[np.float32],
    sample_rate: int,
    phonemes: Sequence[str],
    ends_s: Sequence[float],
    late_s: Mapping[str, float],
) -> list[float]:
    """Return corrected starts in seconds of segments that end at ``ends_s``.

    ``phonemes`` has the first phoneme of each.

    P, B and M then reach from the lips' closing to their release in the audio.
    ``late_s`` is a voice's constant delay of the audio behind its labels: ``noise``
    from a vowel to an obstruent, ``vowel`` from a fricative to a vowel.
    """
    starts = [0.0, *ends_s[:-1]]
    edges = _EdgeFinder(audio, sample_rate)
    for k, (before, phoneme) in enumerate(pairwise(phonemes), 1):
        if before in VOWELS and phoneme in _OBSTRUENTS:
            starts[k] += late_s.get("noise", 0.0)
        elif before in _FRICATIVES and phoneme in VOWELS:
            starts[k] += late_s.get("vowel", 0.0)
    for k, (phoneme, end_s) in enumerate(zip(phonemes, ends_s, strict=True)):
        after_vowel = k > 0 and phonemes[k - 1] in VOWELS
        if phoneme in LIP_STOPS:
            label_s = starts[k]
            if after_vowel:
                latest_s = min(label_s + CLOSING_AFTER_S, (label_s + end_s) / 2)
                starts[k] = edges.fall_s(label_s - CLOSING_BEFORE_S, latest_s, label_s)
            if k + 1 < len(starts):
                earliest_s = starts[k] + MIN_CLOSURE_SHARE * (end_s - starts[k])
                share_s = label_s + CLOSURE_SHARE[phoneme] * (end_s - label_s)
                starts[k + 1] = edges.rise_s(earliest_s, end_s, share_s)
        elif phoneme == "M" and after_vowel:
            starts[k] = edges.fall_s(
                *_around(starts[k - 1], starts[k], end_s), starts[k]
            )
        elif phoneme in VOWELS and k > 0 and phonemes[k - 1] == "M":
            starts[k] = edges.rise_s(
                *_around(starts[k - 1], starts[k], end_s), starts[k]
            )
    return starts


def _around(before_s: float, label_s: float, end_s: float) -> tuple[float, float]:
    """Return the range of a boundary: near its label, within half of each neighbour."""
    return (
        max(label_s - NASAL_REACH_S, (before_s + label_s) / 2),
        min(label_s + NASAL_REACH_S, (label_s + end_s) / 2),
    )


@dataclass(frozen=True, slots=True)
class _EdgeFinder:
    """Search for level edges in one recording; times are in seconds.

    Both methods return ``default_s`` if there is no edge.
    """

    audio: NDArray[np.float32]
    sample_rate: int

    def rise_s(self, start_s: float, end_s: float, default_s: float) -> float:
        start, end = int(start_s * self.sample_rate), int(end_s * self.sample_rate)
        edge = find_rise(self.audio, self.sample_rate, start, end)
        return default_s if edge is None else edge / self.sample_rate

    def fall_s(self, start_s: float, end_s: float, default_s: float) -> float:
        start, end = int(start_s * self.sample_rate), int(end_s * self.sample_rate)
        edge = find_fall(self.audio, self.sample_rate, start, end)
        return default_s if edge is None else edge / self.sample_rate
