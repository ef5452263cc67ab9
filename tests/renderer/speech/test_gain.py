"""How loud a speaker is, and by how much they are turned up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.speech.gain import SOFT, turned_up

SPEECH = np.array([1, 0.5, 0.1, 1e-3, 0.7, 1, 1e-9, 1e-9, 0.6, 1] * 30, np.float32)


def test_a_loud_voice_is_left_as_it_is():
    gains, _ = turned_up(SPEECH, SOFT)
    assert (gains[5:] == 1).all()


@pytest.mark.parametrize("quieter_db", [15, 25, 35])
def test_a_soft_voice_is_turned_up_within_seconds(quieter_db):
    power = SPEECH * 10 ** (-quieter_db / 10)
    gains, _ = turned_up(power, SOFT)
    assert (np.diff(gains[:100]) >= -1e-3).mean() > 0.6  # on its way up
    assert 0.01 < (gains[200:] * power[200:]).max() < 1


def test_pauses_and_noise_far_below_the_voice_leave_it_alone():
    voice, _ = turned_up(SPEECH * 0.01, SOFT)
    pause = np.concatenate([SPEECH * 0.01, np.full(500, 1e-9, np.float32)])
    gains, _ = turned_up(pause, SOFT)
    assert gains[-1] == voice[-1]


def test_what_is_well_below_the_voice_is_not_turned_up_in_its_pauses():
    babble = np.full(500, 0.05 * 10 ** (-23 / 10), np.float32)
    gains, _ = turned_up(np.concatenate([SPEECH * 0.05, babble]), SOFT)
    assert gains[-1] <= gains[len(SPEECH) - 1] < 2


def test_nothing_is_turned_up_without_end():
    hum = np.full(5000, 0.05 * 2e-4, np.float32)
    for _ in range(3):
        gains, loud = turned_up(hum, SOFT)
        assert gains.max() <= 1000
        hum = hum / 3
    assert loud > 0


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60),
    st.integers(0, 60),
)
def test_in_pieces_it_is_the_same(powers, cut):
    whole = np.array(powers, np.float32)
    gains, loud = turned_up(whole, SOFT)
    first, so_far = turned_up(whole[:cut], SOFT)
    second, after = turned_up(whole[cut:], so_far)
    assert np.concatenate([first, second]).tolist() == gains.tolist()
    assert after == loud
