"""Level and pitch of a voice: native code finds what numpy finds."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.offline.wav import read_wav
from renderer.frames import SAMPLE_RATE
from renderer.life import native_voice
from renderer.life.native_voice import NativeVoice, VoiceLibrary, voice_analysis
from renderer.life.voice import STEP, NumpyVoice
from renderer.native import library
from tests.renderer.life.voices import voice

SPEECH = b"".join(map(read_wav, sorted(Path("web/samples").glob("*.wav"))))
CPU = torch.device("cpu")


def tone(hertz, amplitude):
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    wave = amplitude * np.sin(2 * np.pi * hertz * t)
    return (32767 * wave).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def begin(native):
    return voice_analysis(CPU, native)


@pytest.mark.parametrize("hertz", [80, 120, 200, 380])
def test_the_pitch_of_a_tone_is_found(begin, hertz):
    steps = begin().feed(tone(hertz, 0.3))
    pitches = [2 ** (step.pitch / 12) for step in steps[2:]]
    assert np.allclose(pitches, hertz, rtol=0.05)
    levels = [step.level for step in steps[2:]]
    assert np.allclose(levels, 20 * np.log10(0.3) - 3, atol=0.5)


@pytest.mark.parametrize("pcm", [bytes(48_000), tone(200, 0.001)])
def test_silence_and_soft_sounds_have_no_pitch(begin, pcm):
    assert all(step.pitch is None for step in begin().feed(pcm)[2:])


@given(st.lists(st.integers(0, 40_000), max_size=30))
def test_steps_do_not_depend_on_how_bytes_are_split(begin, cuts):
    pcm, analysis = SPEECH[:40_000], begin()
    bounds = [0, *sorted(cuts), len(pcm)]
    steps = [
        step for a, b in itertools.pairwise(bounds) for step in analysis.feed(pcm[a:b])
    ]
    whole = begin().feed(pcm)
    assert [step.pitch for step in steps] == [step.pitch for step in whole]
    assert np.allclose([s.level for s in steps], [s.level for s in whole], atol=1e-3)


@pytest.mark.parametrize("gain", [0.05, 1.0, 30.0])
def test_each_build_finds_what_numpy_finds(libraries, gain):
    samples = np.frombuffer(SPEECH + voice(5.0, [1.0, 2.25]), "<i2") * gain
    pcm = samples.clip(-32768, 32767).astype("<i2").tobytes()
    expected = NumpyVoice().feed(pcm)
    assert sum(step.pitch is not None for step in expected) > 200
    for build in libraries.values():
        steps = NativeVoice(VoiceLibrary(build)).feed(pcm)
        assert len(steps) == len(expected) == len(pcm) // (2 * STEP)
        # Where two lags are equally good, rounding decides.
        other = [a.pitch != b.pitch for a, b in zip(steps, expected, strict=True)]
        assert sum(other) <= 2
        levels = [(a.level, b.level) for a, b in zip(steps, expected, strict=True)]
        assert max(abs(a - b) for a, b in levels if b > -70) < 1e-3


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("STEP", 1000, "a step is too long"),
        ("HOP", 121, "a step is too long, or shorter than its slow samples"),
        ("LAGS", (15, 161), "a lag is longer than the window"),
        ("LAGS", (0, 80), "a lag is longer than the window"),
        ("RUMBLE_BINS", 9, "too many waves of rumble"),
    ],
)
def test_a_method_that_native_code_cannot_hold_is_refused(
    libraries, monkeypatch, name, value, problem
):
    monkeypatch.setattr(native_voice.voice, name, value)
    with pytest.raises(RuntimeError, match=problem):
        VoiceLibrary([*libraries.values()][-1])


def test_numpy_does_it_where_no_build_can_be_used(monkeypatch):
    assert voice_analysis(CPU, native=False) is NumpyVoice
    assert voice_analysis(torch.device("meta")) is NumpyVoice
    monkeypatch.setattr(library, "load", lambda: None)
    assert voice_analysis(CPU) is NumpyVoice
    with pytest.raises(ValueError, match="make setup"):
        voice_analysis(CPU, native=True)
