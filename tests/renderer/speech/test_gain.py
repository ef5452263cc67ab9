"""Tests of `renderer.speech.gain`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.speech.gain import MAX_GAIN, SOFT_POWER, agc_gains

# Powers of the steps of a loud voice with pauses.
SPEECH = np.array([1, 0.5, 0.1, 1e-3, 0.7, 1, 1e-9, 1e-9, 0.6, 1] * 30, np.float32)


def test_a_loud_voice_is_not_amplified():
    gains, _ = agc_gains(SPEECH, SOFT_POWER)
    assert (gains[5:] == 1).all()


@pytest.mark.parametrize("quieter_db", [15, 25, 35, 45])
def test_a_quiet_voice_is_amplified_within_seconds(quieter_db):
    power = SPEECH * 10 ** (-quieter_db / 10)
    gains, _ = agc_gains(power, SOFT_POWER)
    assert (np.diff(gains[:100]) >= -1e-3).mean() > 0.6  # rising
    assert 0.05 < (gains[200:] * power[200:]).max() < 0.2


def test_noise_far_below_the_voice_does_not_change_the_gain():
    voice, _ = agc_gains(SPEECH * 0.01, SOFT_POWER)
    pause = np.concatenate([SPEECH * 0.01, np.full(500, 1e-9, np.float32)])
    gains, _ = agc_gains(pause, SOFT_POWER)
    assert gains[-1] == voice[-1]


def test_babble_in_pauses_does_not_raise_the_gain():
    babble = np.full(500, 0.05 * 10 ** (-23 / 10), np.float32)
    gains, _ = agc_gains(np.concatenate([SPEECH * 0.05, babble]), SOFT_POWER)
    assert gains[-1] <= gains[len(SPEECH) - 1] < 2


def test_the_gain_has_a_maximum():
    hum = np.full(5000, 0.05 * 2e-4, np.float32)
    for _ in range(3):
        gains, vowel_power = agc_gains(hum, SOFT_POWER)
        assert gains.max() <= MAX_GAIN
        hum = hum / 3
    assert vowel_power > 0


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60),
    st.integers(0, 60),
)
def test_the_gain_does_not_depend_on_how_audio_is_split(powers, cut):
    whole = np.array(powers, np.float32)
    gains, vowel_power = agc_gains(whole, SOFT_POWER)
    first, power_between = agc_gains(whole[:cut], SOFT_POWER)
    second, last_power = agc_gains(whole[cut:], power_between)
    assert np.concatenate([first, second]).tolist() == gains.tolist()
    assert last_power == vowel_power
