"""Phone times of voices that are networks: frames, changes of the audio, silence."""
# ruff: noqa: RUF001 - IPA letters look like Latin ones, and are meant.

from itertools import pairwise

import numpy as np
import pytest

from conversation.speech.frame_times import FRAME, SAMPLE_RATE, timed_phones
from protocol.phones.alphabets import UnknownPhone

EARLY_S = 0.046


def _vowel(seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.2 * sum(np.sin(2 * np.pi * 150 * n * t) / n for n in range(1, 9))


def _hiss(seconds: float) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal(round(seconds * SAMPLE_RATE))
    return 0.2 * np.diff(noise, prepend=0.0)


def _silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE))


def _times(symbols: str, frames: list[int], audio: np.ndarray) -> list[tuple]:
    phones = timed_phones(symbols, frames, audio.astype(np.float32), EARLY_S)
    assert phones[0].start_s == 0
    assert all(before.end_s == after.start_s for before, after in pairwise(phones))
    assert phones[-1].end_s == pytest.approx(len(audio) / SAMPLE_RATE)
    return [(phone.phoneme, phone.start_s) for phone in phones]


def test_boundaries_are_where_the_audio_changes_not_where_the_frames_are() -> None:
    parts = [_silence(0.31), _vowel(0.112), _hiss(0.1), _vowel(0.128), _silence(0.35)]
    # The frames of a sound begin some 46 ms after it, in steps of 25 ms.
    times = _times("ɑsi", [14, 4, 4, 6, 12], np.concatenate(parts))
    assert [phoneme for phoneme, _ in times] == ["SIL", "AA", "S", "IY", "SIL"]
    true_s = [0.0, 0.31, 0.422, 0.522, 0.65]
    assert [start_s for _, start_s in times] == pytest.approx(true_s, abs=0.008)


def test_stress_mark_and_space_belong_to_the_sound_after_them() -> None:
    parts = [_silence(0.3), _hiss(0.1), _vowel(0.1), _hiss(0.1), _silence(0.4)]
    marked = _times("sˈɑ s", [14, 4, 2, 2, 2, 2, 14], np.concatenate(parts))
    plain = _times("sɑs", [14, 4, 4, 4, 14], np.concatenate(parts))
    assert marked == plain


def test_stress_is_that_of_the_vowel_after_the_mark() -> None:
    parts = [_silence(0.3), _vowel(0.1), _hiss(0.1), _vowel(0.1), _silence(0.4)]
    audio = np.concatenate(parts).astype(np.float32)
    phones = timed_phones("ɑsˈi", [14, 4, 4, 2, 2, 14], audio, EARLY_S)
    assert [(p.phoneme, p.stress) for p in phones[1:-1]] == [
        *(("AA", 0), ("S", None), ("IY", 1))
    ]


def test_comma_is_a_silence_only_if_it_is_silent() -> None:
    heard = [_silence(0.3), _vowel(0.2), _silence(0.2), _hiss(0.1), _silence(0.35)]
    times = _times("ɑ, s", [14, 8, 6, 2, 4, 12], np.concatenate(heard))
    assert [phoneme for phoneme, _ in times] == ["SIL", "AA", "SIL", "S", "SIL"]
    assert times[2][1] == pytest.approx(0.5, abs=0.008)
    assert times[3][1] == pytest.approx(0.7, abs=0.008)
    unheard = [_silence(0.3), _vowel(0.4), _hiss(0.1), _silence(0.35)]
    times = _times("ɑ, s", [14, 8, 6, 2, 4, 12], np.concatenate(unheard))
    assert [phoneme for phoneme, _ in times] == ["SIL", "AA", "S", "SIL"]


def test_last_sound_ends_where_it_is_no_longer_heard() -> None:
    # The network counts the decay of a last sound to it, often 0.1 s too much.
    audio = np.concatenate([_silence(0.3), _hiss(0.2), _silence(0.5)])
    times = _times("s", [14, 14, 12], audio)
    assert [phoneme for phoneme, _ in times] == ["SIL", "S", "SIL"]
    assert times[2][1] == pytest.approx(0.5, abs=0.008)


def test_durations_that_do_not_fit_are_refused() -> None:
    audio = np.zeros(10 * FRAME, np.float32)
    with pytest.raises(ValueError, match="give a duration for each symbol"):
        timed_phones("ɑs", [5, 5], audio, EARLY_S)
    with pytest.raises(ValueError, match="11 frames do not fit 6000 samples"):
        timed_phones("ɑ", [5, 5, 1], audio, EARLY_S)


def test_symbol_without_a_phoneme_is_named() -> None:
    with pytest.raises(UnknownPhone, match="ʘ"):
        timed_phones("ʘ", [5, 5, 5], np.zeros(15 * FRAME, np.float32), EARLY_S)
