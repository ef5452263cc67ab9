"""The listening driver: causal, one state a turn, the same alone as in company."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from lite_gateway.offline.wav import read_wav
from renderer.speech.driver import AudioChunk
from renderer.speech.lip_driver import LipsDriver
from renderer.speech.network import Network

RATE = 24_000
FRAME = 960


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """Weights that mean nothing: what holds, holds for any."""
    torch.manual_seed(4)
    path = tmp_path_factory.mktemp("weights") / "any.safetensors"
    save_file(Network().state_dict(), path)
    return LipsDriver(path)


def sound(seconds: float, seed: int) -> torch.Tensor:
    chance = np.random.default_rng(seed)
    return torch.from_numpy(chance.standard_normal(round(seconds * RATE)) * 0.1).float()


def talk(driver, pcm, ahead: int, frame: int = FRAME):
    """Faces ``[n, 57]`` of a whole turn, with so much sound past each moment."""
    state, heard, faces = driver.begin(), 0, []
    for moment in range(frame // 2, len(pcm), frame):
        until = max(heard, min(moment + ahead, len(pcm)))
        new = AudioChunk(pcm[heard:until], until - moment)
        heard = until
        faces.append(driver.drive([state], [new])[0])
    return torch.stack(faces)


@settings(deadline=None, max_examples=15)
@given(cuts=st.lists(st.integers(0, 4000), max_size=8))
def test_it_matters_not_in_what_pieces_sound_came(driver, cuts):
    pcm = sound(0.6, 1)
    state = driver.begin()
    places = sorted({min(cut, len(pcm)) for cut in cuts} | {0, len(pcm)})
    for start, end in itertools.pairwise(places):
        last = driver.drive(
            [state], [AudioChunk(pcm[start:end], end - len(pcm) + 2400)]
        )
    whole = driver.begin()
    once = driver.drive([whole], [AudioChunk(pcm, 2400)])
    assert whole.steps == state.steps
    assert torch.allclose(whole.memory, state.memory, atol=1e-4)
    assert last.shape == once.shape == (1, 57)


def test_a_session_is_driven_the_same_alone_and_in_company(driver):
    voices = [sound(0.8, seed) for seed in range(3)]
    alone = [talk(driver, pcm, 1920) for pcm in voices]
    states, heard, frames = [driver.begin() for _ in voices], 0, []
    for moment in range(FRAME // 2, len(voices[0]), FRAME):
        until = min(moment + 1920, len(voices[0]))
        new = [AudioChunk(pcm[heard:until], until - moment) for pcm in voices]
        heard = until
        frames.append(driver.drive(states, new))
    together = torch.stack(frames)
    for place, faces in enumerate(alone):
        assert torch.allclose(together[:, place], faces, atol=1e-4)


def test_it_is_causal(driver):
    one, other = sound(1.0, 1), sound(1.0, 1)
    other[12_000:] = sound(0.5, 2)
    before = 12_000 // FRAME - 1
    first, second = talk(driver, one, FRAME // 2), talk(driver, other, FRAME // 2)
    assert torch.equal(first[:before], second[:before])
    assert not torch.allclose(first[-1], second[-1])


@pytest.fixture(scope="module")
def voice():
    """Somebody who speaks, ``[n]``."""
    pcm = read_wav(Path("web/samples/hello.wav"))
    return torch.from_numpy(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768)


@pytest.mark.parametrize("fps", [10, 24, 30, 60])
def test_any_frame_rate_shows_the_same_movement(voice, fps):
    """A face is that of a moment, whoever asks how often."""
    driver, frame = LipsDriver(), round(RATE / fps)
    often = talk(driver, voice[: 2 * RATE], 2880, 240)
    assert often.amax(0).max() > 0.3
    some = talk(driver, voice[: 2 * RATE], 2880, frame)
    off = [
        (face - often[(frame * place + frame // 2 - 120) // 240]).abs().max()
        for place, face in enumerate(some[1:-4], 1)
    ]
    assert torch.stack(off).median() < 0.03
    # The nearest of many is within 10 ms, in which lips that shut move far.
    assert max(off) <= (often[1:] - often[:-1]).abs().max() + 0.01


def listen(driver, pcm, looks: list[int]):
    """Faces, each moment with another look-ahead."""
    state, heard, faces = driver.begin(), 0, []
    for place, ahead in enumerate(looks):
        moment = FRAME // 2 + place * FRAME
        until = min(len(pcm), max(heard, moment + ahead))
        faces.append(
            driver.drive([state], [AudioChunk(pcm[heard:until], until - moment)])[0]
        )
        heard = until
    return torch.stack(faces)


def test_read_outs_change_without_a_step(voice):
    """Sound that begins to come early is not seen as a jump, at whatever moment."""
    late, early, smooth, hard = 240, 2880, [], []
    count = 60
    whole = listen(LipsDriver(), voice, [early] * count)
    short = listen(LipsDriver(), voice, [late] * count)
    for change in range(10, count - 4, 3):
        looks = [late] * change + [early] * (count - change)
        shown = listen(LipsDriver(), voice, looks)
        # What the mouth does at that moment anyway is no step.
        moved = [(face[change] - face[change - 1]).abs() for face in (short, whole)]
        own = torch.maximum(*moved)
        smooth.append(float(((shown[change] - shown[change - 1]).abs() - own).max()))
        hard.append(float(((whole[change] - short[change - 1]).abs() - own).max()))
    assert np.percentile(smooth, 95) < 0.6 * np.percentile(hard, 95)
    assert np.mean(smooth) < 0.6 * np.mean(hard)


def test_no_sound_at_all_is_a_mouth_at_rest(driver):
    face = driver.drive([driver.begin()], [AudioChunk(torch.zeros(0), -480)])[0]
    assert face.abs().max() < 0.02
