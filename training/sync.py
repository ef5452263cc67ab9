"""
Are the labels in time? Where the sound steps most, beside where a phone begins.

    python -m training.sync FOLDER [--every 5]

For each voice (espeak's as one) and each kind of boundary: the median shift in ms of
the steepest change of band energy from the label, with interquartile range and count.
Positive: the sound changes after its label. P, B and M of flite and festival are placed
by ear (``closures``), so for them it shows consistency only.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from renderer.frames import SAMPLE_RATE
from training.sounds import VOWELS, Phone
from training.speech import Utterance, load

HOP = 48  # samples, 2 ms
WINDOW = 144  # 6 ms
REACH = (
    30  # hops a boundary may be away, at most; and never past the middle of its phones
)
MID_HZ, HIGH_HZ = (300.0, 5000.0), (4000.0, 11000.0)
LEAST = 8  # boundaries for a figure


@dataclass(frozen=True, slots=True)
class Kind:
    """A boundary from one set of sounds to another, and the step it makes in a band."""

    name: str
    left: frozenset[str]
    right: frozenset[str]
    band_hz: tuple[float, float]
    sign: int


_OPEN = frozenset(VOWELS)
KINDS = (
    Kind("vowel>S", _OPEN, frozenset({"S"}), HIGH_HZ, 1),
    Kind("S>vowel", frozenset({"S"}), _OPEN, HIGH_HZ, -1),
    Kind("vowel>M", _OPEN, frozenset({"M"}), MID_HZ, -1),
    Kind("M>vowel", frozenset({"M"}), _OPEN, MID_HZ, 1),
    Kind("vowel>P", _OPEN, frozenset({"P"}), MID_HZ, -1),
    Kind("P>vowel", frozenset({"P"}), _OPEN, MID_HZ, 1),
    Kind("vowel>B", _OPEN, frozenset({"B"}), MID_HZ, -1),
    Kind("B>vowel", frozenset({"B"}), _OPEN, MID_HZ, 1),
    Kind("vowel>T", _OPEN, frozenset({"T"}), MID_HZ, -1),
    Kind("vowel>F", _OPEN, frozenset({"F"}), MID_HZ, -1),
    Kind("F>vowel", frozenset({"F"}), _OPEN, MID_HZ, 1),
)


def levels(
    sound: NDArray[np.float32], band_hz: tuple[float, float]
) -> NDArray[np.float64]:
    """Level in dB of a band [hops]; hop k is centred on sample ``k * HOP``."""
    padded = np.pad(sound.astype(np.float64), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)) ** 2
    bins = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    inside = (bins >= band_hz[0]) & (bins <= band_hz[1])
    answer: NDArray[np.float64] = 10 * np.log10(power[:, inside].sum(1) + 1e-5)
    return answer


def shifts_ms(utterance: Utterance) -> Iterator[tuple[str, float]]:
    """Kind and shift of each boundary of one utterance."""
    sound = utterance.sound()
    steps = {}
    for band in (MID_HZ, HIGH_HZ):
        level = levels(sound, band)
        steps[band] = np.pad(level[4:] - level[:-4], 2)  # across 8 ms, at its middle
    pairs = zip(utterance.phones, utterance.phones[1:], strict=False)
    for left, right in pairs:
        for kind in KINDS:
            if left.sound in kind.left and right.sound in kind.right:
                yield kind.name, _shift_ms(steps[kind.band_hz] * kind.sign, left, right)


def _shift_ms(step: NDArray[np.float64], left: Phone, right: Phone) -> float:
    per_s = SAMPLE_RATE / HOP
    middle = right.start_s * per_s
    first = max(middle - REACH, (left.start_s + left.end_s) / 2 * per_s)
    last = min(middle + REACH, (right.start_s + right.end_s) / 2 * per_s)
    window = step[int(first) : int(last) + 1]
    if window.size == 0:
        return 0.0
    return float(int(first) + int(np.argmax(window)) - middle) * 1000 / per_s


def table(utterances: Sequence[Utterance]) -> Iterator[str]:
    """Lines to print: a row for each voice, a column for each kind."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in utterances:
        name = one.source if one.source == "espeak" else one.voice
        for kind, shift in shifts_ms(one):
            found[name][kind].append(shift)
    yield f"{'':30s}" + "".join(f"{kind.name:>14s}" for kind in KINDS)
    for name, kinds in sorted(found.items()):
        yield f"{name:30s}" + "".join(
            f"{_cell(kinds[kind.name]):>14s}" for kind in KINDS
        )


def _cell(shifts: list[float]) -> str:
    if len(shifts) < LEAST:
        return "-"
    low, middle, high = np.percentile(shifts, (25, 50, 75))
    return f"{middle:+.0f} ({high - low:.0f}) {len(shifts)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="training.sync", description="Check the phone times."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--every", type=int, default=5, help="look at each n-th utterance"
    )
    chosen = parser.parse_args()
    for line in table(load(chosen.folder)[:: chosen.every]):
        print(line)


if __name__ == "__main__":
    main()
