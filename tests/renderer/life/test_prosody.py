"""What head and brows hear in a voice."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renderer.life.prosody import RATE, Accent, PhraseBegins, PhraseEnds, Prosody
from tests.renderer.life.voices import SYLLABLE_S, spoken

STRESSED = [1.0, 2.25, 3.5, 4.0]
SAID = spoken(5.0, STRESSED)


def quiet(seconds):
    return bytes(2 * round(seconds * RATE))


def accents(pcm):
    return [event for event in Prosody().feed(pcm) if isinstance(event, Accent)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(SAID) // 2), max_size=40))
def test_it_does_not_matter_in_which_pieces_a_voice_comes(cuts):
    whole, pieces = Prosody().feed(SAID), Prosody()
    bounds = [0, *sorted(cuts), len(SAID) // 2]
    heard = [
        event
        for start, stop in itertools.pairwise(bounds)
        for event in pieces.feed(SAID[2 * start : 2 * stop])
    ]

    assert heard == whole
    assert pieces.heard == len(SAID) // 2


@pytest.mark.parametrize("gain", [0.2, 1.0, 3.0])
def test_stressed_syllables_are_the_strong_accents_at_any_loudness(gain):
    known = [a for a in accents(spoken(5.0, STRESSED, gain)) if a.at > RATE // 2]
    strong = [accent.at / RATE for accent in known if accent.strength > 0.65]

    assert len(strong) == len(STRESSED)
    for at_s, begins_s in zip(strong, STRESSED, strict=True):
        assert begins_s < at_s < begins_s + SYLLABLE_S
    assert all(accent.pitch > 1.5 for accent in known if accent.strength > 0.65)


def test_an_accent_is_known_a_twentieth_of_a_second_after_it_was_spoken():
    voice, late_s = Prosody(), []
    for start in range(0, len(SAID), 960):
        for event in voice.feed(SAID[start : start + 960]):
            if isinstance(event, Accent) and event.at > RATE // 2:
                late_s.append((voice.heard - event.at) / RATE)
    assert len(late_s) >= len(STRESSED)
    assert max(late_s) <= 0.12


def test_phrases_begin_and_end_with_the_voice():
    pcm = quiet(0.4) + spoken(2.0, []) + quiet(0.6) + spoken(1.5, []) + quiet(0.6)
    marks = [
        (type(event), event.at / RATE)
        for event in Prosody().feed(pcm)
        if not isinstance(event, Accent)
    ]

    kinds = [kind for kind, _ in marks]
    assert kinds == [PhraseBegins, PhraseEnds] * 2
    for (_, at_s), wanted_s in zip(marks, [0.4, 2.55, 3.0, 4.65], strict=True):
        assert at_s == pytest.approx(wanted_s, abs=0.1)


@pytest.mark.parametrize("level", [0, 30])
def test_silence_and_hum_are_no_voice(level):
    noise = np.random.default_rng(1).normal(0, level, 4 * RATE).astype("<i2")
    assert Prosody().feed(noise.tobytes()) == []


def test_loudness_is_told_of_moments_that_were_heard_ahead():
    voice = Prosody()
    voice.feed(quiet(0.5) + spoken(1.0, []))
    assert 0.3 < voice.loudness(round(1.37 * RATE)) < 0.9
    assert voice.loudness(round(1.48 * RATE)) < voice.loudness(round(1.37 * RATE))
    assert 0 <= voice.loudness(-5) <= 1
    assert voice.loudness(10**9) == voice.loudness(round(1.499 * RATE))
