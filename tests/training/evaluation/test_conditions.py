"""Recording conditions of `bench lipsync --under`."""

from dataclasses import replace

import numpy as np
import pytest

from protocol.lite.messages import SAMPLE_RATE
from training.evaluation.clips import Clip
from training.evaluation.conditions import (
    AS_RECORDED,
    CONDITIONS,
    HELD_VOWELS,
    apply_condition,
)
from training.phones import Phone

ADDED = [("noise", 15), ("music", 10), ("babble", 20), ("talk", 20)]


@pytest.fixture(scope="module")
def clip() -> Clip:
    """A vowel of one second with many overtones, between two silences."""
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * 150 * n * t) / n for n in range(1, 60)) * 3000
    still = np.zeros(SAMPLE_RATE // 2)
    speech = np.concatenate([still, hum, still]).astype("<i2").tobytes()
    phones = (("SIL", 0.0, 0.5), ("AA", 0.5, 1.5), ("SIL", 1.5, 2.0))
    return Clip("hum", speech, tuple(Phone(*phone, None) for phone in phones))


def samples(clip: Clip) -> np.ndarray:
    return np.frombuffer(clip.speech, "<i2").astype(float)


def level_db(x: np.ndarray) -> float:
    return 10 * np.log10(np.square(x).mean() + 1e-9)


def test_held_vowels_have_longer_phones(clip):
    phones = tuple(Phone("AA", i / 10, (i + 1) / 10, None) for i in range(20))
    changed = apply_condition(replace(clip, phones=phones), HELD_VOWELS)
    assert changed.seconds > 1.5 * clip.seconds
    assert changed.phones[-1].end_s == pytest.approx(changed.seconds, abs=0.01)
    assert [p.phoneme for p in changed.phones] == [p.phoneme for p in phones]


@pytest.mark.parametrize("condition", sorted(set(CONDITIONS) - {HELD_VOWELS}))
def test_condition_changes_only_the_audio_and_is_deterministic(clip, condition):
    changed = apply_condition(clip, condition)
    assert changed == apply_condition(clip, condition)
    assert (changed.name, changed.phones) == (clip.name, clip.phones)
    assert len(changed.speech) == len(clip.speech)
    assert (changed.speech == clip.speech) == (condition == AS_RECORDED)


@pytest.mark.parametrize(("condition", "below_db"), ADDED)
def test_added_noise_has_the_stated_level(clip, condition, below_db):
    added = samples(apply_condition(clip, condition)) - samples(clip)
    assert level_db(samples(clip)) - level_db(added) == pytest.approx(below_db, abs=0.1)


def test_breaths_are_in_the_silences_only_and_below_the_voice(clip):
    added = samples(apply_condition(clip, "breaths")) - samples(clip)
    first, last = SAMPLE_RATE // 2, round(1.5 * SAMPLE_RATE)
    assert not added[first:last].any()
    for silence in (added[:first], added[last:]):
        assert level_db(samples(clip)) - level_db(silence) == pytest.approx(12, abs=3)


def test_quiet_is_30_db_softer_and_clipped_reaches_full_scale(clip):
    softer = level_db(samples(clip)) - level_db(samples(apply_condition(clip, "quiet")))
    assert softer == pytest.approx(30, abs=0.2)
    assert np.abs(samples(apply_condition(clip, "clipped"))).max() >= 32766


def test_telephone_removes_high_frequencies(clip):
    def high_db(x: np.ndarray) -> float:
        return level_db(np.abs(np.fft.rfft(x))[round(5000 * len(x) / SAMPLE_RATE) :])

    assert (
        high_db(samples(clip)) - high_db(samples(apply_condition(clip, "telephone")))
        > 6
    )


def test_room_reverberates_after_the_voice(clip):
    after = slice(round(1.52 * SAMPLE_RATE), round(1.7 * SAMPLE_RATE))
    assert level_db(samples(apply_condition(clip, "room"))[after]) > 20
    assert level_db(samples(clip)[after]) < 0


def test_whisper_has_no_pitch(clip):
    def pitched(x: np.ndarray) -> float:
        """Return the vowel's correlation with itself a period of 150 Hz later."""
        vowel = x[round(0.7 * SAMPLE_RATE) : round(1.3 * SAMPLE_RATE)]
        period = SAMPLE_RATE // 150
        return float(np.corrcoef(vowel[:-period], vowel[period:])[0, 1])

    assert pitched(samples(clip)) > 0.9
    assert pitched(samples(apply_condition(clip, "whispered"))) < 0.3
