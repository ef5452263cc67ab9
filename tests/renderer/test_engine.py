import numpy as np
import pytest
import torch

from lite_gateway.config import shipped_avatars
from renderer.avatar import load_all
from renderer.engine import Engine, RenderJob, samples
from renderer.face import INDEX, SIZE
from renderer.frames import FrameRequest
from renderer.speech.driver import InvalidFaces
from tests.renderer.speech import throat

RATE = 24_000
FRAME = 960
JAW = INDEX["jawOpen"]


def vowel(formants: tuple[float, ...], seconds: float, pitch: float = 120.0):
    """A buzz through resonances: the simplest thing that sounds like a vowel."""
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
def shelf():
    return load_all(shipped_avatars())


def speak(engine, session, index: int, pcm: bytes, turn: int = 1):
    request = FrameRequest(index, index * 0.04, "talking", turn, pcm, FRAME // 2, 0.5)
    return engine.render([RenderJob(session, request)])[0]


def test_the_mouth_rests_within_three_frames_of_the_last_word(engine, shelf):
    session = engine.open_session(shelf.avatars["ada"], 128, 128, seed=1)
    said = (throat.vowel(throat.AA) * 32767).short()[: 10 * FRAME]
    for index, loud in enumerate(said.split(FRAME)):
        speak(engine, session, index, loud.numpy().tobytes())
    assert session.mouth[JAW] > 0.3
    for index in range(10, 13):
        engine.render([RenderJob(session, FrameRequest(index, index * 0.04, "idle"))])
    assert session.mouth[JAW] < 0.02


def test_the_same_seed_and_shots_give_the_same_pixels(engine, shelf):
    loud = (vowel(AA, 0.04) * 32767).short().numpy().tobytes()
    strips = []
    for _ in range(2):
        session = engine.open_session(shelf.avatars["leo"], 128, 128, seed=7)
        strips.append([speak(engine, session, i, loud).i420.copy() for i in range(5)])
    assert np.array_equal(strips[0], strips[1])


def test_sessions_of_several_sizes_and_avatars_render_in_one_pass(engine, shelf):
    sessions = [
        engine.open_session(shelf.avatars["ada"], 128, 128, seed=1),
        engine.open_session(shelf.avatars["fiducial"], 256, 144, seed=2),
        engine.open_session(shelf.avatars["ada"], 128, 128, seed=3),
    ]
    jobs = [RenderJob(session, FrameRequest(0, 0.0, "idle")) for session in sessions]
    pictures = engine.render(jobs)
    assert [(p.width, p.height) for p in pictures] == [
        (128, 128),
        (256, 144),
        (128, 128),
    ]
    for picture in pictures:
        assert picture.i420.shape == (picture.width * picture.height * 3 // 2,)


def test_a_new_turn_begins_with_new_ears(engine, shelf):
    session = engine.open_session(shelf.avatars["ada"], 128, 128, seed=1)
    speak(engine, session, 0, bytes(2 * FRAME), turn=1)
    first = session.driver_state
    speak(engine, session, 1, bytes(2 * FRAME), turn=2)
    assert session.driver_state is not first


class Foreign:
    """A driver that gives what it was made with."""

    def __init__(self, given) -> None:
        self.given = given

    def begin(self) -> None:
        """Keeps no state."""

    def drive(self, states, chunks):
        return self.given


WRONG = [
    (torch.zeros(1, 52), r"a tensor \[1, 52\]; .* \[1, 57\]"),
    (torch.zeros(SIZE), r"a tensor \[57\]"),
    (torch.full((1, SIZE), torch.nan), "NaN or infinity"),
    ([[0.0] * SIZE], "list, no tensor"),
]


@pytest.mark.parametrize(("given", "told"), WRONG)
def test_what_is_no_face_is_named_and_the_session_looks_on_as_before(
    shelf, given, told
):
    engine = Engine(device="cpu", driver=Foreign(given))
    session = engine.open_session(shelf.avatars["ada"], 128, 128, seed=1)
    with pytest.raises(InvalidFaces, match=told):
        speak(engine, session, 0, bytes(2 * FRAME))
    assert not session.mouth.any()
    assert engine.render([RenderJob(session, FrameRequest(1, 0.04, "idle"))])


def test_pcm_becomes_floats_between_minus_one_and_one():
    pcm = np.array([-32768, 0, 16384], "<i2").tobytes()
    assert samples(pcm).tolist() == [-1.0, 0.0, 0.5]
