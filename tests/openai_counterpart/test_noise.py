"""Positions that recordings of noise hold, without a process or a codec."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.openai_counterpart.noise import heard_until, noise, segments
from tests.openai_counterpart.voice import RATE

MS = RATE // 1000
KNOWN = noise("item_1", 2 * RATE)
PAUSE = np.zeros(RATE // 5, np.int16)


def recorded(*parts: np.ndarray) -> np.ndarray:
    """Return parts between pauses, softer and with hiss."""
    pcm = 0.7 * np.concatenate([PAUSE, *parts, PAUSE])
    hiss = np.random.default_rng(1).normal(0, 40, len(pcm))
    return (pcm + hiss).astype(np.int16)


@example(25 * MS)
@given(st.integers(25 * MS, len(KNOWN)))
def test_a_cut_noise_tells_where_it_was_cut(cut):
    recording = recorded(KNOWN[:cut])
    (segment,) = segments(recording)
    position = heard_until(recording, segment, KNOWN)
    assert position is not None
    assert abs(position - cut) <= 4 * MS


@pytest.mark.parametrize("back_ms", [-10, 0, 10])
def test_a_fade_that_repeats_or_skips_moves_the_position_little(back_ms):
    cut = 700 * MS
    fade = KNOWN[cut - back_ms * MS :][: 8 * MS] * np.linspace(1, 0, 8 * MS)
    recording = recorded(KNOWN[:cut], fade)
    (segment,) = segments(recording)
    position = heard_until(recording, segment, KNOWN)
    assert position is not None
    assert -4 * MS <= position - cut <= (8 + max(0, -back_ms)) * MS


def test_what_a_jitter_buffer_left_out_before_does_not_matter():
    recording = recorded(KNOWN[: 300 * MS], KNOWN[320 * MS : 900 * MS])
    (segment,) = segments(recording)
    position = heard_until(recording, segment, KNOWN)
    assert position is not None
    assert abs(position - 900 * MS) <= 4 * MS


def test_another_noise_is_not_taken_for_it():
    recording = recorded(noise("item_2", RATE))
    (segment,) = segments(recording)
    assert heard_until(recording, segment, KNOWN) is None


def test_each_stretch_of_noise_is_a_segment():
    recording = recorded(KNOWN[: 100 * MS], PAUSE, KNOWN[: 400 * MS])
    lengths = [(last - first) / MS for first, last in segments(recording)]
    assert lengths == pytest.approx([100, 400], abs=5)
    assert segments(recorded()) == []


def test_a_longer_noise_begins_as_a_short_one():
    assert (noise("item_1", 500) == KNOWN[:500]).all()
