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


def split(pcm: bytes, sizes: list[int]) -> list[bytes]:
    chunks, at = [], 0
    for size in sizes:
        chunks.append(pcm[at : at + size])
        at += size
    return [*chunks, pcm[at:]]


def resampled(source_format: AudioFormat, chunks: list[bytes]) -> np.ndarray:
    resampler = Resampler(source_format)
    out = [resampler.push(part) for part in chunks]
    return np.frombuffer(b"".join([*out, resampler.flush()]), "<i2").astype(float)


@pytest.mark.parametrize("rate", RATES)
@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 4001), max_size=12))
def test_chunks_of_any_size_and_rate_resample_like_the_whole(rate, sizes):
    samples = voice(rate, 0.4)
    pcm = samples.round().astype("<i2").tobytes()
    whole = soxr.resample(samples, rate, 24_000)
    output = resampled(AudioFormat(rate, 1), split(pcm, sizes))
    assert abs(len(output) - 9600) <= 1
    length = min(len(output), len(whole))
    error = output[:length] - whole[:length]
    assert np.abs(error).max() < 40  # of 10 000: -48 dB at worst, at its edges
    assert np.sqrt(np.square(error[240:-240]).mean()) < 4


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_two_channels_become_their_mean(rate):
    left, right = voice(rate, 0.2), np.zeros(round(rate * 0.2))
    both = np.stack([left, right], 1).round().astype("<i2").tobytes()
    output = resampled(AudioFormat(rate, 2), split(both, [333, 1, 2000]))
    expected = soxr.resample(left / 2, rate, 24_000)
    assert np.abs(output - expected[: len(output)]).max() < 40


@pytest.mark.parametrize("rate", RATES)
def test_no_more_than_5_ms_and_a_unit_are_held_back(rate):
    resampler, step = Resampler(AudioFormat(rate, 1)), rate // 50
    unit_s = 1 / gcd(rate, 24_000)
    pushed_s = returned_s = 0.0
    for _ in range(20):
        pushed_s += step / rate
        returned_s += len(resampler.push(bytes(2 * step))) / 2 / 24_000
        assert pushed_s - returned_s < 0.0051 + unit_s
