"""The listening driver: causal, one state a turn, the same alone as in company."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from renderer.driver import Heard
from renderer.lips import LipsDriver
from renderer.network import Network

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
        new = Heard(pcm[heard:until], until - moment)
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
        last = driver.drive([state], [Heard(pcm[start:end], end - len(pcm) + 2400)])
    whole = driver.begin()
    once = driver.drive([whole], [Heard(pcm, 2400)])
    assert whole.steps == state.steps
    assert torch.allclose(whole.memory, state.memory, atol=1e-4)
    assert last.shape == once.shape == (1, 57)


def test_a_session_is_driven_the_same_alone_and_in_company(driver):
    voices = [sound(0.8, seed) for seed in range(3)]
    alone = [talk(driver, pcm, 1920) for pcm in voices]
    states, heard, frames = [driver.begin() for _ in voices], 0, []
    for moment in range(FRAME // 2, len(voices[0]), FRAME):
        until = min(moment + 1920, len(voices[0]))
        new = [Heard(pcm[heard:until], until - moment) for pcm in voices]
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


@pytest.mark.parametrize("fps", [10, 24, 30, 60])
def test_any_frame_rate_shows_the_same_movement(driver, fps):
    """A face is that of a moment, whoever asks how often."""
    pcm = sound(1.2, 3)
    often = talk(driver, pcm, 2880, 240)
    some = talk(driver, pcm, 2880, round(RATE / fps))
    for place, face in enumerate(some[1:-4], 1):
        moment = round(RATE / fps) * place + round(RATE / fps) // 2
        nearest = often[min(len(often) - 1, (moment - 120) // 240)]
        assert (face - nearest).abs().max() < 0.35


def test_read_outs_change_without_a_step(driver):
    """Sound that stops coming must not be seen as a jump."""
    pcm = sound(2.0, 5)
    state, heard, faces = driver.begin(), 0, []
    for moment in range(FRAME // 2, len(pcm) - 4000, FRAME):
        ahead = 2880 if moment < len(pcm) // 2 else 240
        until = max(heard, moment + ahead)
        faces.append(
            driver.drive([state], [Heard(pcm[heard:until], until - moment)])[0]
        )
        heard = until
    moved = torch.stack(faces).diff(dim=0).abs().amax(1)
    change = len(pcm) // 2 // FRAME
    assert moved[change - 1 : change + 4].max() < 2 * moved[3:].median() + 0.05


def test_no_sound_at_all_is_a_mouth_at_rest(driver):
    face = driver.drive([driver.begin()], [Heard(torch.zeros(0), -480)])[0]
    assert face.abs().max() < 0.02
