"""Native code gives the faces of the torch driver, whatever it is fed."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.offline.wav import read_wav
from renderer.native import library
from renderer.speech import native_driver
from renderer.speech.driver import AudioChunk
from renderer.speech.lip_driver import LipsDriver
from renderer.speech.native_driver import NativeLipsDriver, make_lip_driver
from renderer.speech.network import Network, save_network
from renderer.speech.network_shape import WEIGHTS, InvalidWeights

CPU = torch.device("cpu")
FRAME = 960
SAMPLES = sorted(Path("web/samples").glob("*.wav"))
# Difference of the face weights between native code and torch, in speech.
MAX_DIFFERENCE, MEAN_DIFFERENCE = 5e-3, 1e-5


@cache
def voices():
    """Return a minute of speech: as recorded, quiet, loud and clipped, with noise."""
    rng, result = np.random.default_rng(5), []
    for path in SAMPLES:
        speech = np.frombuffer(read_wav(path), "<i2").astype(np.float32) / 32768
        noise = rng.standard_normal(len(speech)) * 0.003
        for pcm in (speech, speech / 12, np.clip(4 * speech, -1, 1), speech + noise):
            result.append(torch.from_numpy(pcm.astype(np.float32)))
    assert sum(map(len, result)) > 60 * 24_000
    return result


def drive_turn(driver, pcm, lookaheads):
    """Return the faces ``[n, 57]`` of a turn that is given at varying look-aheads."""
    state, consumed, faces = driver.begin(), 0, []
    for i, moment in enumerate(range(FRAME // 2, len(pcm), FRAME)):
        ahead = lookaheads[i % len(lookaheads)]
        until = max(consumed, min(moment + ahead, len(pcm)))
        chunk = AudioChunk(pcm[consumed:until], until - moment)
        faces.append(driver.drive([state], [chunk])[0])
        consumed = until
    return torch.stack(faces)


@pytest.mark.parametrize(
    ("part", "lookaheads"),
    list(enumerate([[0], [960], [2880], [2880] * 9 + [960, 240, 0, 2400]])),
)
def test_a_minute_of_speech_has_the_faces_of_torch(libraries, part, lookaheads):
    # Each part has every sample, each in another of its four forms.
    turns = [pcm for n, pcm in enumerate(voices()) if (n + n // 4) % 4 == part]
    expected = [drive_turn(LipsDriver(), pcm, lookaheads) for pcm in turns]
    assert torch.cat(expected).amax(0).max() > 0.8
    by_build = []
    for build in libraries.values():
        driver = NativeLipsDriver(build)
        by_build.append(
            torch.cat([drive_turn(driver, pcm, lookaheads) for pcm in turns])
        )
        differences = (by_build[-1] - torch.cat(expected)).abs()
        assert differences.max() <= MAX_DIFFERENCE
        assert differences.mean() <= MEAN_DIFFERENCE
    assert (by_build[0] - by_build[-1]).abs().max() <= 1e-3


chunks = st.tuples(
    st.integers(0, 9000) | st.sampled_from([0, 479, 480, 7680, 7681, 20_000]),
    st.integers(-2000, 4000) | st.sampled_from([-(10**7), 10**7]),
)
turns = st.lists(st.lists(chunks, min_size=5, max_size=5), min_size=1, max_size=9)


@settings(max_examples=12)
@given(turns)
def test_any_chunks_give_the_faces_of_torch_alone_and_together(libraries, turns):
    """Each turn has five chunks: so many samples, and its look-ahead."""
    pcm = torch.cat(voices()[:4])
    torch_driver, driver = LipsDriver(), NativeLipsDriver([*libraries.values()][-1])
    states = [[d.begin() for _ in turns] for d in (torch_driver, driver, driver)]
    at = 0
    for step in range(5):
        batch = []
        for turn in turns:
            count, lookahead = turn[step]
            batch.append(AudioChunk(pcm[at : at + count], lookahead))
            at = (at + count) % (len(pcm) - 20_000)
        expected = torch_driver.drive(states[0], batch)
        together = driver.drive(states[1], batch)
        alone = [
            driver.drive([state], [chunk])[0]
            for state, chunk in zip(states[2], batch, strict=True)
        ]
        assert torch.allclose(together, expected, atol=MAX_DIFFERENCE)
        assert torch.equal(together, torch.stack(alone))


def test_audio_of_another_type_is_converted(libraries):
    driver = NativeLipsDriver([*libraries.values()][-1])
    pcm = voices()[0][: 20 * FRAME]
    floats = driver.drive([driver.begin()], [AudioChunk(pcm, 1920)])
    doubles = driver.drive([driver.begin()], [AudioChunk(pcm.double(), 1920)])
    every_second = torch.stack([pcm, pcm], 1)[:, 0]
    strided = driver.drive([driver.begin()], [AudioChunk(every_second, 1920)])
    assert torch.equal(floats, doubles)
    assert torch.equal(floats, strided)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3e38, -1e-40])
def test_samples_that_are_no_audio_are_silence(libraries, value):
    driver = NativeLipsDriver([*libraries.values()][-1])
    speech, states = voices()[0][:24_000], [driver.begin(), driver.begin()]
    broken, silent = (
        torch.cat([speech, torch.full((4800,), fill), speech]) for fill in (value, 0)
    )
    faces = driver.drive(states, [AudioChunk(pcm, 2400) for pcm in (broken, silent)])
    assert torch.isfinite(faces).all()
    assert torch.allclose(faces[0], faces[1], atol=1e-6)


def test_no_turns_give_no_faces(libraries):
    driver = NativeLipsDriver([*libraries.values()][-1])
    assert driver.drive([], []).shape == (0, 57)


@pytest.mark.parametrize("weight", ["_joint.weight", "_memory.bias_hh_l0"])
def test_weights_that_could_overflow_are_refused(libraries, tmp_path, weight):
    network = Network()
    network.state_dict()[weight].fill_(2e4)
    save_network(network, tmp_path / "large.npz")
    with pytest.raises(InvalidWeights, match="a weight above 10000"):
        NativeLipsDriver([*libraries.values()][-1], tmp_path / "large.npz")


@pytest.mark.parametrize(
    ("part", "number", "value", "problem"),
    [
        ("mel", "hop", 0, "the window is shorter than a hop"),
        ("mel", "window", 769, "longer than the FFT"),
        ("mel", "bands", 129, "there are no bands, or too many"),
        ("mel", "last_bin", 100, "a band uses a bin that is not computed"),
        ("mel", "last_bin", 386, "a bin is outside the spectrum"),
        ("network", "block_count", 9, "too many blocks"),
        ("network", "block_count", 3, "the state has another size"),
        ("network", "memory", 255, "the state has another size"),
        ("network", "widest", 600, "a layer is empty or too long"),
        ("network", "state_size", 1, "the state has another size"),
        ("mouth", "lags", 8, "the output layers do not fit"),
        ("mouth", "max_lag", 7, "the longest look-ahead has no read-out"),
        ("mouth", "kept_steps", 65, "no outputs are kept, or too many"),
        ("mouth", "phonemes", 65, "there are no phonemes, or too many"),
        ("mouth", "context_size", 9, "the context is empty or too long"),
        ("mouth", "modelled", 9, "too many curves are modelled"),
        ("mouth", "now", 2, "the context lacks the moment itself"),
        ("mouth", "silence", 34, "silence is no phoneme"),
        ("mouth", "jaw_open", 57, "a weight is outside the face"),
        ("mouth", "shapes", 33, "the mouth has too many shapes"),
    ],
)
def test_a_model_that_native_code_cannot_hold_is_refused(
    libraries, monkeypatch, part, number, value, problem
):
    class Changed(native_driver.PackedSpeech):
        def __init__(self, network):
            super().__init__(network)
            setattr(getattr(self.speech, part), number, value)

    monkeypatch.setattr(native_driver, "PackedSpeech", Changed)
    with pytest.raises(RuntimeError, match=problem):
        NativeLipsDriver([*libraries.values()][-1])


def test_torch_drives_where_no_build_can_be_used(monkeypatch):
    assert isinstance(make_lip_driver(CPU, native=False), LipsDriver)
    assert isinstance(make_lip_driver(torch.device("meta")), LipsDriver)
    monkeypatch.setattr(library, "load", lambda: None)
    assert isinstance(make_lip_driver(CPU), LipsDriver)
    with pytest.raises(ValueError, match=r"needs a CPU, and a build \(`make setup`\)"):
        make_lip_driver(CPU, native=True)


def test_the_native_driver_is_the_default(libraries):
    assert isinstance(make_lip_driver(weights=WEIGHTS), NativeLipsDriver)
