"""The lip-sync driver, on both paths: causal, and independent of the batch."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.offline.wav import read_wav
from renderer.speech.driver import AudioChunk
from renderer.speech.native_driver import make_lip_driver
from renderer.speech.network import Network, save_network

RATE = 24_000
FRAME = 960


CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def driver(tmp_path_factory, native):
    """Return a driver with random weights: these tests must hold for any weights."""
    torch.manual_seed(4)
    path = tmp_path_factory.mktemp("weights") / "random.npz"
    save_network(Network(), path)
    return make_lip_driver(CPU, native, path)


@pytest.fixture(scope="module")
def shipped(native):
    return make_lip_driver(CPU, native)


def noise(seconds: float, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal(round(seconds * RATE)) * 0.1).float()


def drive_turn(driver, pcm, ahead: int, frame: int = FRAME):
    """Return the faces ``[n, 57]`` of a turn, ``ahead`` samples past each moment."""
    state, consumed, faces = driver.begin(), 0, []
    for moment in range(frame // 2, len(pcm), frame):
        until = max(consumed, min(moment + ahead, len(pcm)))
        chunk = AudioChunk(pcm[consumed:until], until - moment)
        consumed = until
        faces.append(driver.drive([state], [chunk])[0])
    return torch.stack(faces)


def feed(driver, pcm, bounds):
    """Return the state of a turn that has got ``pcm`` cut at ``bounds``."""
    state, cuts = driver.begin(), sorted({*bounds, 0, len(pcm)})
    for start, end in itertools.pairwise(cuts):
        driver.drive([state], [AudioChunk(pcm[start:end], end - len(pcm) + 2400)])
    return state


@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(0, 14_399), max_size=8))
def test_faces_do_not_depend_on_how_audio_is_split(driver, cuts):
    pcm = noise(0.6, 1)
    states = [feed(driver, pcm, bounds) for bounds in (cuts, [])]
    assert states[0].steps == states[1].steps
    silence = [AudioChunk(torch.zeros(480), 2400)] * 2
    for _ in range(60):  # until nothing is left of crossfades
        first, second = driver.drive(states, silence)
    assert torch.allclose(first, second, atol=1e-4)


def test_a_face_does_not_depend_on_its_batch(driver):
    voices = [noise(0.8, seed) for seed in range(3)]
    alone = [drive_turn(driver, pcm, 1920) for pcm in voices]
    states, consumed, frames = [driver.begin() for _ in voices], 0, []
    for moment in range(FRAME // 2, len(voices[0]), FRAME):
        until = min(moment + 1920, len(voices[0]))
        chunks = [AudioChunk(pcm[consumed:until], until - moment) for pcm in voices]
        consumed = until
        frames.append(driver.drive(states, chunks))
    together = torch.stack(frames)
    for i, faces in enumerate(alone):
        assert torch.allclose(together[:, i], faces, atol=1e-4)


def test_the_driver_is_causal(driver):
    pcm, changed = noise(1.0, 1), noise(1.0, 1)
    changed[12_000:] = noise(0.5, 2)
    before = 12_000 // FRAME - 1
    first = drive_turn(driver, pcm, FRAME // 2)
    second = drive_turn(driver, changed, FRAME // 2)
    assert torch.equal(first[:before], second[:before])
    assert not torch.allclose(first[-1], second[-1])


@pytest.fixture(scope="module")
def voice():
    """Return the speech of a shipped sample, ``[n]``."""
    pcm = read_wav(Path("web/samples/hello.wav"))
    return torch.from_numpy(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768)


@pytest.mark.parametrize("fps", [10, 24, 30, 60])
def test_the_movement_does_not_depend_on_the_frame_rate(shipped, voice, fps):
    """A face depends on its moment, not on the faces before it."""
    frame = round(RATE / fps)
    dense = drive_turn(shipped, voice[: 2 * RATE], 2880, 240)
    assert dense.amax(0).max() > 0.3
    frames = drive_turn(shipped, voice[: 2 * RATE], 2880, frame)
    differences = [
        (face - dense[(frame * i + frame // 2 - 120) // 240]).abs().max()
        for i, face in enumerate(frames[1:-4], 1)
    ]
    assert torch.stack(differences).median() < 0.03
    # The nearest dense face is up to 10 ms away; closing lips move far in that time,
    # and a little further in 10 ms that begin between two dense faces.
    assert max(differences) <= 1.2 * (dense[1:] - dense[:-1]).abs().max()


def drive_with_lookaheads(driver, pcm, lookaheads: list[int]):
    """Return faces ``[n, 57]``; ``lookaheads`` has the samples past each moment."""
    state, consumed, faces = driver.begin(), 0, []
    for i, ahead in enumerate(lookaheads):
        moment = FRAME // 2 + i * FRAME
        until = min(len(pcm), max(consumed, moment + ahead))
        faces.append(
            driver.drive([state], [AudioChunk(pcm[consumed:until], until - moment)])[0]
        )
        consumed = until
    return torch.stack(faces)


def test_a_change_of_look_ahead_does_not_make_the_mouth_jump(shipped, voice):
    """The crossfade has a smaller step than a switch would have, at any moment."""
    late, early, smooth, hard = 240, 2880, [], []
    count = 60
    whole = drive_with_lookaheads(shipped, voice, [early] * count)
    short = drive_with_lookaheads(shipped, voice, [late] * count)
    for change in range(10, count - 4, 3):
        lookaheads = [late] * change + [early] * (count - change)
        shown = drive_with_lookaheads(shipped, voice, lookaheads)
        # The movement of the mouth at that moment does not count as a step.
        moved = [(face[change] - face[change - 1]).abs() for face in (short, whole)]
        own = torch.maximum(*moved)
        smooth.append(float(((shown[change] - shown[change - 1]).abs() - own).max()))
        hard.append(float(((whole[change] - short[change - 1]).abs() - own).max()))
    assert np.percentile(smooth, 95) < 0.6 * np.percentile(hard, 95)
    assert np.mean(smooth) < 0.6 * np.mean(hard)


def test_without_audio_the_mouth_is_at_rest(driver):
    face = driver.drive([driver.begin()], [AudioChunk(torch.zeros(0), -480)])[0]
    assert face.abs().max() < 0.02
