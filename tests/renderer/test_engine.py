"""Tests of `renderer.engine`."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from lite_gateway.config import shipped_avatars
from renderer.avatar import load
from renderer.engine import Engine, RenderJob, samples
from renderer.face import INDEX, SIZE
from renderer.frames import FrameRequest, Phone
from renderer.rig_cache import MAX_RIGS
from renderer.speech.driver import InvalidFaces
from tests.renderer.speech import synthetic_vowels

RATE = 24_000
FRAME = 960
JAW = INDEX["jawOpen"]


def vowel(formants: tuple[float, ...], seconds: float, pitch: float = 120.0):
    """Return a vowel: harmonics weighted by resonances at ``formants``, in Hz."""
    t = np.arange(round(seconds * RATE)) / RATE
    voice = np.zeros_like(t)
    for k in range(1, int(8_000 / pitch)):
        gain = sum(
            1 / (1 + ((k * pitch - f) / (60 + 0.06 * f)) ** 2) / (i + 1)
            for i, f in enumerate(formants)
        )
        voice += gain / k * np.sin(2 * np.pi * k * pitch * t)
    return torch.from_numpy(0.2 * voice / np.abs(voice).max()).float()


AA = (750.0, 1150.0, 2500.0)


@pytest.fixture(scope="module")
def engine():
    return Engine(device="cpu")


@pytest.fixture(scope="module")
def fiducial():
    return load(shipped_avatars() / "fiducial")


def speak(engine, session, index: int, pcm: bytes, turn: int = 1):
    request = FrameRequest(index, index * 0.04, "talking", turn, pcm, FRAME // 2, 0.5)
    return engine.render([RenderJob(session, request)])[0]


def test_the_mouth_follows_the_phones_of_its_own_session(engine, fiducial):
    closed, heard = (engine.open_session(fiducial, 128, 128, seed=1) for _ in "ab")
    loud = (vowel(AA, 0.04) * 32767).short().numpy().tobytes()
    for index in range(6):
        phones = (Phone("M", 0.0, 0.3),) if index == 0 else ()
        place = (index, index * 0.04, "talking", 1, loud, FRAME // 2, 0.5)
        request = FrameRequest(*place, phones=phones)
        hum = RenderJob(closed, request)
        engine.render([hum, RenderJob(heard, FrameRequest(*place))])
    assert closed.mouth[INDEX["mouthPressLeft"]] > 0.4
    assert heard.mouth[INDEX["mouthPressLeft"]] < 0.1
    assert heard.mouth[JAW] > closed.mouth[JAW] + 0.1


@pytest.mark.parametrize("step", [1, 2], ids=["every frame", "every second frame"])
def test_the_mouth_is_at_rest_within_three_frames_after_speech(engine, fiducial, step):
    session = engine.open_session(fiducial, 128, 128, seed=1)
    speech = (synthetic_vowels.vowel(synthetic_vowels.AA) * 32767).short()[: 10 * FRAME]
    for index, chunk in enumerate(speech.split(FRAME)):
        speak(engine, session, index, chunk.numpy().tobytes())
    assert session.mouth[JAW] > 0.3
    for index in range(9 + step, 13 + step - 1, step):
        engine.render([RenderJob(session, FrameRequest(index, index * 0.04, "idle"))])
    assert session.mouth[JAW] < 0.02


def test_the_same_seed_and_requests_give_the_same_pixels(engine, avatar):
    loud = (vowel(AA, 0.04) * 32767).short().numpy().tobytes()
    runs = []
    for _ in range(2):
        session = engine.open_session(avatar, 128, 128, seed=7)
        runs.append([speak(engine, session, i, loud).i420.copy() for i in range(5)])
    assert np.array_equal(runs[0], runs[1])


def test_sessions_of_several_sizes_and_avatars_render_in_one_pass(
    engine, avatar, fiducial
):
    sessions = [
        engine.open_session(avatar, 128, 128, seed=1),
        engine.open_session(fiducial, 256, 144, seed=2),
        engine.open_session(avatar, 128, 128, seed=3),
    ]
    jobs = [RenderJob(session, FrameRequest(0, 0.0, "idle")) for session in sessions]
    frames = engine.render(jobs)
    assert [(f.width, f.height) for f in frames] == [
        (128, 128),
        (256, 144),
        (128, 128),
    ]
    for frame in frames:
        assert frame.i420.shape == (frame.width * frame.height * 3 // 2,)


def test_a_new_turn_has_a_new_driver_state(engine, fiducial):
    session = engine.open_session(fiducial, 128, 128, seed=1)
    speak(engine, session, 0, bytes(2 * FRAME), turn=1)
    first = session.driver_state
    speak(engine, session, 1, bytes(2 * FRAME), turn=2)
    assert session.driver_state is not first


class ConstantDriver:
    """Driver that always returns ``result``."""

    def __init__(self, result) -> None:
        self.result = result

    def begin(self) -> None:
        """Return no state."""

    def drive(self, states, chunks):
        return self.result


WRONG_RESULTS = [
    (torch.zeros(1, 52), r"a tensor \[1, 52\]; .* \[1, 57\]"),
    (torch.zeros(SIZE), r"a tensor \[57\]"),
    (torch.full((1, SIZE), torch.nan), "NaN or infinity"),
    ([[0.0] * SIZE], "list, no tensor"),
    (np.zeros((1, 52)), r"an array \[1, 52\]"),
    (np.full((1, SIZE), np.nan), "NaN or infinity"),
    (np.full((1, SIZE), "open"), "ndarray, no tensor and no array of numbers"),
]


@pytest.mark.parametrize(("result", "message"), WRONG_RESULTS)
def test_a_wrong_driver_result_raises_and_leaves_the_session_unchanged(
    fiducial, result, message
):
    engine = Engine(device="cpu", driver=ConstantDriver(result))
    session = engine.open_session(fiducial, 128, 128, seed=1)
    with pytest.raises(InvalidFaces, match=message):
        speak(engine, session, 0, bytes(2 * FRAME))
    assert not session.mouth.any()
    assert engine.render([RenderJob(session, FrameRequest(1, 0.04, "idle"))])


class TorchDriver:
    """Driver of a user: a network of torch, whose state is its output."""

    def __init__(self, result_type) -> None:
        self.network = torch.nn.Linear(FRAME, SIZE)
        self.result_type = result_type
        self.outputs = []

    def begin(self) -> None:
        """Return no state."""

    def drive(self, states, chunks):
        faces = self.network(torch.stack([chunk.pcm for chunk in chunks])).sigmoid()
        self.outputs.append(faces)
        return self.result_type(faces)


@pytest.mark.parametrize("result_type", [torch.Tensor.double, torch.Tensor.numpy])
def test_a_driver_gets_tensors_and_may_return_tensors_or_arrays(fiducial, result_type):
    driver = TorchDriver(result_type)
    engine = Engine(device="cpu", driver=driver)
    session = engine.open_session(fiducial, 128, 128, seed=1)
    speak(engine, session, 0, bytes(range(240)) * 8)

    assert session.mouth.tolist() == pytest.approx(driver.outputs[0][0].tolist())
    assert not driver.outputs[0].requires_grad  # else states would keep all of the past


def test_samples_are_floats_between_minus_one_and_one():
    pcm = np.array([-32768, 0, 16384], "<i2").tobytes()
    assert samples(pcm).tolist() == [-1.0, 0.0, 0.5]


def test_rendering_goes_on_while_another_thread_opens_sessions(engine, avatar):
    requests = [FrameRequest(i, i * 0.04, "idle") for i in range(40)]
    alone, concurrent = (
        engine.open_session(avatar, 128, 128, seed=3) for _ in range(2)
    )
    expected = [engine.render([RenderJob(alone, r)])[0].i420 for r in requests]

    def open_and_evict():
        for size in (64, 96, 128, 160):
            engine.evict({avatar.name})
            engine.open_session(avatar, size, size, seed=1)

    with ThreadPoolExecutor(1) as rig_thread:
        opening = rig_thread.submit(open_and_evict)
        frames = [engine.render([RenderJob(concurrent, r)])[0].i420 for r in requests]
        opening.result()

    assert np.array_equal(frames, expected)


def test_the_time_to_draw_is_known_for_the_rigs_in_the_cache_only(fiducial):
    engine = Engine(device="cpu")
    assert engine.draw_time("fiducial", 128, 128) is None
    engine.open_session(fiducial, 128, 128, seed=1)
    assert 0 < engine.draw_time("fiducial", 128, 128) < 1
    for step in range(MAX_RIGS):
        engine.open_session(fiducial, 130 + 2 * step, 128, seed=1)
    assert engine.draw_time("fiducial", 128, 128) is None
    engine.evict({"fiducial"})
    assert engine.draw_time("fiducial", 130, 128) is None
