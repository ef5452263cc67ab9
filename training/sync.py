"""Check of the phone labels: how far the audio changes from where a phone begins.

    python -m training.sync FOLDER [--every 5]

The table gives, for each voice and each kind of boundary, the median shift in ms of the
steepest change of band energy from the label, the interquartile range, and the count.
A positive shift means that the audio changes after its label. The espeak-ng voices are
one row. For P, B and M of Flite and Festival the table shows consistency only, because
`conversation.speech.closures` placed these labels by the same audio.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from renderer.frames import SAMPLE_RATE
from training.phones import VOWELS, Phone
from training.speech import Utterance, load

HOP = 48  # samples, 2 ms
WINDOW = 144  # 6 ms
# Hops in which a change is searched around its label, but never past the middles of the
# two phones.
MAX_SHIFT = 30
MID_HZ, HIGH_HZ = (300.0, 5000.0), (4000.0, 11000.0)
MIN_COUNT = 8  # fewer boundaries give no figure


@dataclass(frozen=True, slots=True)
class Kind:
    """Boundary between two sets of phonemes, and the step in level that it makes."""

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
    audio: NDArray[np.float32], band_hz: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the level in dB of a band ``[hops]``; hop k is centred on ``k * HOP``."""
    padded = np.pad(audio.astype(np.float64), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)) ** 2
    bins = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    inside = (bins >= band_hz[0]) & (bins <= band_hz[1])
    level_db: NDArray[np.float64] = 10 * np.log10(power[:, inside].sum(1) + 1e-5)
    return level_db


def shifts_ms(utterance: Utterance) -> Iterator[tuple[str, float]]:
    """Yield the kind and the shift of each boundary of one utterance."""
    audio = utterance.audio()
    steps = {}
    for band in (MID_HZ, HIGH_HZ):
        level = levels(audio, band)
        # Change over 8 ms, placed at the middle of them.
        steps[band] = np.pad(level[4:] - level[:-4], 2)
    pairs = zip(utterance.phones, utterance.phones[1:], strict=False)
    for left, right in pairs:
        for kind in KINDS:
            if left.phoneme in kind.left and right.phoneme in kind.right:
                yield kind.name, _shift_ms(steps[kind.band_hz] * kind.sign, left, right)


def _shift_ms(step: NDArray[np.float64], left: Phone, right: Phone) -> float:
    per_s = SAMPLE_RATE / HOP
    middle = right.start_s * per_s
    first = max(middle - MAX_SHIFT, (left.start_s + left.end_s) / 2 * per_s)
    last = min(middle + MAX_SHIFT, (right.start_s + right.end_s) / 2 * per_s)
    window = step[int(first) : int(last) + 1]
    if window.size == 0:
        return 0.0
    return float(int(first) + int(np.argmax(window)) - middle) * 1000 / per_s


def table(utterances: Sequence[Utterance]) -> Iterator[str]:
    """Yield lines to print: a row for each voice, a column for each kind."""
    shifts: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for utterance in utterances:
        name = utterance.source if utterance.source == "espeak" else utterance.voice
        for kind, shift in shifts_ms(utterance):
            shifts[name][kind].append(shift)
    yield f"{'':30s}" + "".join(f"{kind.name:>14s}" for kind in KINDS)
    for name, kinds in sorted(shifts.items()):
        yield f"{name:30s}" + "".join(
            f"{_cell(kinds[kind.name]):>14s}" for kind in KINDS
        )


def _cell(shifts: list[float]) -> str:
    if len(shifts) < MIN_COUNT:
        return "-"
    low, middle, high = np.percentile(shifts, (25, 50, 75))
    return f"{middle:+.0f} ({high - low:.0f}) {len(shifts)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.sync", description="Check the phone times."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--every", type=int, default=5, help="use every n-th utterance only"
    )
    args = parser.parse_args()
    for line in table(load(args.folder)[:: args.every]):
        print(line)


if __name__ == "__main__":
    main()
