"""Tests of `renderer.life.prosody`: accents and phrases of a synthetic voice."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renderer.frames import SAMPLE_RATE
from renderer.life.prosody import Accent, PhraseBegins, PhraseEnds, Prosody
from tests.renderer.life.voices import SYLLABLE_S, voice

STRESSED = [1.0, 2.25, 3.5, 4.0]
SPEECH = voice(5.0, STRESSED)


def silence(seconds):
    return bytes(2 * round(seconds * SAMPLE_RATE))


def accents(pcm):
    return [event for event in Prosody().feed(pcm) if isinstance(event, Accent)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(SPEECH) // 2), max_size=40))
def test_events_do_not_depend_on_how_audio_is_split(cuts):
    whole, prosody = Prosody().feed(SPEECH), Prosody()
    bounds = [0, *sorted(cuts), len(SPEECH) // 2]
    events = [
        event
        for start, stop in itertools.pairwise(bounds)
        for event in prosody.feed(SPEECH[2 * start : 2 * stop])
    ]

    assert events == whole
    assert prosody.consumed == len(SPEECH) // 2


@pytest.mark.parametrize("gain", [0.2, 1.0, 3.0])
def test_stressed_syllables_give_strong_accents_at_any_loudness(gain):
    late = [a for a in accents(voice(5.0, STRESSED, gain)) if a.at > SAMPLE_RATE // 2]
    strong = [accent.at / SAMPLE_RATE for accent in late if accent.strength > 0.65]

    assert len(strong) == len(STRESSED)
    for at_s, begins_s in zip(strong, STRESSED, strict=True):
        assert begins_s < at_s < begins_s + SYLLABLE_S
    assert all(accent.pitch > 1.5 for accent in late if accent.strength > 0.65)


def test_an_accent_is_detected_within_120_ms():
    prosody, delays_s = Prosody(), []
    for start in range(0, len(SPEECH), 960):
        for event in prosody.feed(SPEECH[start : start + 960]):
            if isinstance(event, Accent) and event.at > SAMPLE_RATE // 2:
                delays_s.append((prosody.consumed - event.at) / SAMPLE_RATE)
    assert len(delays_s) >= len(STRESSED)
    assert max(delays_s) <= 0.12


def test_phrases_begin_and_end_with_the_voice():
    pcm = silence(0.4) + voice(2.0, []) + silence(0.6) + voice(1.5, []) + silence(0.6)
    phrases = [
        (type(event), event.at / SAMPLE_RATE)
        for event in Prosody().feed(pcm)
        if not isinstance(event, Accent)
    ]

    kinds = [kind for kind, _ in phrases]
    assert kinds == [PhraseBegins, PhraseEnds] * 2
    for (_, at_s), expected_s in zip(phrases, [0.4, 2.55, 3.0, 4.65], strict=True):
        assert at_s == pytest.approx(expected_s, abs=0.1)


@pytest.mark.parametrize("level", [0, 30])
def test_silence_and_noise_have_no_events(level):
    noise = np.random.default_rng(1).normal(0, level, 4 * SAMPLE_RATE).astype("<i2")
    assert Prosody().feed(noise.tobytes()) == []


def test_loudness_of_look_ahead_is_known():
    prosody = Prosody()
    prosody.feed(silence(0.5) + voice(1.0, []))
    middle, end = (prosody.loudness(round(s * SAMPLE_RATE)) for s in (1.37, 1.48))
    assert 0.3 < middle < 0.9
    assert end < middle
    assert 0 <= prosody.loudness(-5) <= 1
    assert prosody.loudness(10**9) == prosody.loudness(round(1.499 * SAMPLE_RATE))
