"""Phone times of voices that are networks: from the frames that they give each symbol.

Hibari and Kokoro share an alphabet, one character for a symbol, and count the duration
of each symbol in frames of 25 ms. Three corrections make phone times of it:

* A space and a stress mark have frames too. What is heard in them is the beginning of
  the sound that follows, so they are added to it.
* The boundary between two sounds moves to the strongest change of the spectrum near it.
* Silence is where the audio is silent. A comma that nobody hears is none.
"""
# ruff: noqa: RUF001 - marks of IPA look like punctuation, and are meant.

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from conversation.speech.closures import correct_starts
from protocol.phones.alphabets import STOPS, phonemes_of
from protocol.phones.phone_list import TimedPhone, phones_in_order

Array = npt.NDArray[Any]

SAMPLE_RATE = 24_000  # of both voices
EARLY_S = 0.046  # by which the sounds of both are heard before their frames
FRAME = 600  # samples of the voices' frames
ALPHABET = "kokoro"
STRESS_MARKS = frozenset("ˈˌ")
_LENGTH_MARK = "ː"
_WORD_GAP = " "
_SILENCE = "_"  # a pause, and both ends
_PAUSES = frozenset(';:,.!?—…"()“”')

_HOP, _WINDOW = 48, 240  # 2 and 10 ms
_BANDS = 16
_REACH_S = 0.030  # of the search for a change, on both sides of a boundary
_SILENCE_DB = 36.0  # silence is this far below the loud parts
_MIN_SILENCE_S = 0.040
_MIN_SOUND_S = 0.030  # of the sounds around a pause


def timed_phones(
    symbols: str, frames: Sequence[int], audio: Array, early_s: float
) -> list[TimedPhone]:
    """Return the phones that cover ``audio`` ``[n]`` float at 24 kHz, without gaps.

    ``frames`` has the frames of the beginning, of each of ``symbols``, and of the end;
    together they are ``n`` samples. A voice's sounds are heard ``early_s`` before their
    frames. Raises `UnknownPhone` for a symbol without a phoneme.
    """
    if len(frames) != len(symbols) + 2 or sum(frames) * FRAME != len(audio):
        raise ValueError(
            f"{len(symbols)} symbols with {len(frames)} durations of {sum(frames)} "
            f"frames do not fit {len(audio)} samples: give a duration for each symbol "
            f"and for both ends, in frames of {FRAME} samples"
        )
    edges_s = [
        max(0.0, edge * FRAME / SAMPLE_RATE - early_s)
        for edge in accumulate(frames, initial=0)
    ]
    sounds, starts_s, stresses = _sounds(symbols, edges_s)
    sounds, starts_s, stresses = _silences(sounds, starts_s, stresses, audio)
    starts_s = _refined(sounds, starts_s, audio)
    ends_s = [*starts_s[1:], len(audio) / SAMPLE_RATE]
    phonemes = [phonemes_of(ALPHABET, sound)[0] for sound in sounds]
    first_phonemes = [symbol[0] for symbol in phonemes]
    starts_s = correct_starts(audio, SAMPLE_RATE, first_phonemes, ends_s, {})
    return phones_in_order(phonemes, starts_s, ends_s[-1], stresses)


def _sounds(
    symbols: str, edges_s: Sequence[float]
) -> tuple[list[str], list[float], list[int | None]]:
    """Return symbols that sound or pause, their starts in s, and their stresses."""
    sounds, starts_s, stresses = [_SILENCE], [0.0], list[int | None]([None])
    waiting_s: float | None = None  # start of the marks before the next symbol
    stress = 0
    for symbol, start_s in zip(symbols, edges_s[1:-1], strict=False):
        if symbol in STRESS_MARKS or symbol == _WORD_GAP:
            stress = 1 if symbol in STRESS_MARKS else stress
            # After a pause the gap between words is a part of it.
            if symbol == _WORD_GAP and sounds[-1] == _SILENCE:
                continue
            waiting_s = start_s if waiting_s is None else waiting_s
        elif symbol != _LENGTH_MARK:
            is_pause = symbol in _PAUSES
            if not (is_pause and sounds[-1] == _SILENCE):
                sounds.append(_SILENCE if is_pause else symbol)
                starts_s.append(start_s if waiting_s is None else waiting_s)
                stresses.append(None if is_pause else stress)
            waiting_s, stress = None, 0
    if sounds[-1] != _SILENCE:
        sounds.append(_SILENCE)
        starts_s.append(edges_s[-2])
        stresses.append(None)
    return sounds, starts_s, stresses


def _silences(
    sounds: Sequence[str],
    starts_s: Sequence[float],
    stresses: Sequence[int | None],
    audio: Array,
) -> tuple[list[str], list[float], list[int | None]]:
    """Move both ends of each pause to where the audio is silent, or drop the pause."""
    silent = _silent_hops(audio)
    per_s = SAMPLE_RATE / _HOP
    ends_s = [*starts_s[1:], len(audio) / SAMPLE_RATE]
    kept, new_starts_s, new_stresses = list[str](), list[float](), list[int | None]()
    resumes_s: float | None = None  # end of the silence before this sound
    for k, (sound, start_s, end_s) in enumerate(
        zip(sounds, starts_s, ends_s, strict=True)
    ):
        if sound == _SILENCE:
            # The last sound before a pause is often counted longer than it is heard.
            first = round((starts_s[k - 1] + _MIN_SOUND_S) * per_s) if k else 0
            last = round((end_s + _MIN_SOUND_S) * per_s)
            begin, end = _longest_run(silent, first, min(last, len(silent)))
            at_the_end = k in (0, len(sounds) - 1)
            if (end - begin) / per_s < _MIN_SILENCE_S and not at_the_end:
                resumes_s = start_s
                continue
            begin_s = 0.0 if k == 0 else begin / per_s
            resumes_s = end_s if end <= begin else end / per_s
            start_s = begin_s if end > begin else start_s
        elif resumes_s is not None:
            # The closure of a stop is silent too: it begins where its frames do.
            is_stop = phonemes_of(ALPHABET, sound)[0][0] in STOPS
            if not is_stop or resumes_s < start_s:
                start_s = resumes_s
            resumes_s = None
        kept.append(sound)
        new_starts_s.append(max(start_s, new_starts_s[-1]) if new_starts_s else 0.0)
        new_stresses.append(stresses[k])
    return kept, new_starts_s, new_stresses


def _silent_hops(audio: Array) -> npt.NDArray[np.bool_]:
    """Return for each hop of 2 ms whether it is silent."""
    frames = np.lib.stride_tricks.sliding_window_view(
        np.pad(audio.astype(np.float64), _WINDOW // 2), _WINDOW
    )[::_HOP]
    level_db = 10 * np.log10(np.square(frames).mean(1) + 1e-10)
    loud_db = np.percentile(level_db, 90)
    silent: npt.NDArray[np.bool_] = level_db < loud_db - _SILENCE_DB
    return silent


def _longest_run(silent: Array, first: int, last: int) -> tuple[int, int]:
    """Return begin and end of the longest run of true values, equal without one."""
    padded = np.concatenate([[0], silent[first:last].astype(np.int8), [0]])
    changes = np.flatnonzero(np.diff(padded))
    if not len(changes):
        return first, first
    begins, ends = changes[::2], changes[1::2]
    best = int(np.argmax(ends - begins))
    return first + int(begins[best]), first + int(ends[best])


def _refined(
    sounds: Sequence[str], starts_s: Sequence[float], audio: Array
) -> list[float]:
    """Return the starts, moved to the strongest change of the spectrum near each."""
    change = _spectral_change(audio)
    per_s = SAMPLE_RATE / _HOP
    refined = list(starts_s)
    ends_s = [*starts_s[1:], len(audio) / SAMPLE_RATE]
    for k in range(1, len(sounds)):
        if _SILENCE in sounds[k - 1 : k + 1]:
            continue
        label_s = starts_s[k]
        first_s = max(label_s - _REACH_S, (starts_s[k - 1] + starts_s[k]) / 2)
        last_s = min(label_s + _REACH_S, (starts_s[k] + ends_s[k]) / 2)
        first, last = round(first_s * per_s), round(last_s * per_s)
        if last > first:
            hops = np.arange(first, last + 1).clip(0, len(change) - 1)
            # Of two like changes, the one closer to the label is meant.
            distance_s = np.abs(hops / per_s - label_s)
            weight = change[hops] * (1 - 0.5 * distance_s / _REACH_S)
            refined[k] = max(refined[k - 1], float(hops[np.argmax(weight)]) / per_s)
    return refined


def _spectral_change(audio: Array) -> Array:
    """Return for each hop how much the levels of the bands change around it."""
    frames = np.lib.stride_tricks.sliding_window_view(
        np.pad(audio.astype(np.float64), _WINDOW // 2), _WINDOW
    )[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)) ** 2
    # Bands that widen with frequency, as hearing has them.
    edges = np.unique(np.geomspace(2, power.shape[1], _BANDS + 1).astype(int))
    bands = np.log(np.add.reduceat(power, edges[:-1], axis=1) + 1e-4)
    change = np.abs(bands[4:] - bands[:-4]).mean(1)  # over 8 ms
    padded: Array = np.pad(change, 2)
    return padded
