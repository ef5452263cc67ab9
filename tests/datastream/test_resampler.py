from math import gcd

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.datastream.resampler import Resampler
from protocol.datastream.names import AudioFormat

RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000)


def voice(rate: int, seconds: float) -> np.ndarray:
    t = np.arange(round(rate * seconds)) / rate
    return sum(3000 * np.sin(2 * np.pi * hz * t + hz) for hz in (131, 517, 1900, 3100))


def pieces(pcm: bytes, sizes: list[int]) -> list[bytes]:
    parts, at = [], 0
    for size in sizes:
        parts.append(pcm[at : at + size])
        at += size
    return [*parts, pcm[at:]]


def resampled(form: AudioFormat, parts: list[bytes]) -> np.ndarray:
    resampler = Resampler(form)
    out = [resampler.take(part) for part in parts]
    return np.frombuffer(b"".join([*out, resampler.rest()]), "<i2").astype(float)


@pytest.mark.parametrize("rate", RATES)
@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 4001), max_size=12))
def test_any_split_of_any_rate_gives_the_sound_of_the_whole(rate, sizes):
    sound = voice(rate, 0.4)
    given_pcm = sound.round().astype("<i2").tobytes()
    whole = soxr.resample(sound, rate, 24_000)
    heard = resampled(AudioFormat(rate, 1), pieces(given_pcm, sizes))
    assert abs(len(heard) - 9600) <= 1
    least = min(len(heard), len(whole))
    off = heard[:least] - whole[:least]
    assert np.abs(off).max() < 40  # of 10 000: -48 dB at worst, at its edges
    assert np.sqrt(np.square(off[240:-240]).mean()) < 4


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_two_channels_become_their_mean(rate):
    left, right = voice(rate, 0.2), np.zeros(round(rate * 0.2))
    both = np.stack([left, right], 1).round().astype("<i2").tobytes()
    heard = resampled(AudioFormat(rate, 2), pieces(both, [333, 1, 2000]))
    want = soxr.resample(left / 2, rate, 24_000)
    assert np.abs(heard - want[: len(heard)]).max() < 40


@pytest.mark.parametrize("rate", RATES)
def test_no_more_than_5_ms_and_a_unit_are_held_back(rate):
    resampler, step = Resampler(AudioFormat(rate, 1)), rate // 50
    unit_s = 1 / gcd(rate, 24_000)
    given_s = heard_s = 0.0
    for _ in range(20):
        given_s += step / rate
        heard_s += len(resampler.take(bytes(2 * step))) / 2 / 24_000
        assert given_s - heard_s < 0.0051 + unit_s
