import numpy as np
import pytest
import torch

from lite_gateway.config import shipped_avatars
from renderer.avatar import load_all
from renderer.driver import Heard, SignalDriver, WrongFaces
from renderer.engine import Engine, Job, samples
from renderer.face import INDEX, SIZE
from renderer.frames import Shot
from tests.renderer import throat

RATE = 24_000
FRAME = 960
JAW, PUCKER = INDEX["jawOpen"], INDEX["mouthPucker"]


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
EE = (290.0, 2300.0, 3000.0)
OO = (310.0, 750.0, 2300.0)


def drive(sound: torch.Tensor, lookahead: int = 0) -> torch.Tensor:
    """Faces ``[frames, 57]`` of a sound that is heard frame by frame."""
    driver = SignalDriver()
    state, faces, heard = driver.begin(), [], 0
    for start in range(0, len(sound) - FRAME + 1, FRAME):
        until = min(start + FRAME + lookahead, len(sound))
        new = Heard(sound[heard:until], until - start - FRAME // 2)
        heard = until
        faces.append(driver.drive([state], [new])[0])
    return torch.stack(faces)


def test_an_open_vowel_opens_the_jaw_more_than_a_closed_one():
    opened, closed = (drive(vowel(v, 0.6))[-1] for v in (AA, EE))
    assert opened[JAW] > closed[JAW] + 0.25


def test_a_rounded_vowel_rounds_the_lips_and_a_spread_one_spreads_them():
    rounded, spread, opened = (drive(vowel(v, 0.6))[-1] for v in (OO, EE, AA))
    stretch = INDEX["mouthStretchLeft"]
    assert rounded[PUCKER] > 0.2 > spread[PUCKER]
    assert rounded[PUCKER] > opened[PUCKER]
    assert spread[stretch] > 0.15 > rounded[stretch]


def test_silence_rests():
    faces = drive(torch.zeros(RATE))
    assert faces[:, JAW].max() < 0.02


def test_a_hum_through_closed_lips_shuts_the_mouth():
    hum = vowel((200.0,), 0.6)
    faces = drive(torch.cat([vowel(AA, 0.4), 0.5 * hum]))
    assert faces[-1][JAW] < 0.15 * faces[8][JAW]


def test_hiss_shows_teeth_and_no_open_jaw():
    noise = torch.randn(RATE // 2, generator=torch.Generator().manual_seed(1))
    hiss = torch.from_numpy(np.diff(noise.numpy(), prepend=0)).float() * 0.05
    faces = drive(torch.cat([vowel(AA, 0.4), hiss]))
    assert faces[-1][JAW] < 0.3 * faces[8][JAW]
    assert faces[-1][INDEX["mouthLowerDownLeft"]] > 0.15


def test_it_is_causal_and_hears_the_future_it_is_given():
    sound = torch.cat([torch.zeros(FRAME * 5), vowel(AA, 0.4)])
    now, ahead = drive(sound), drive(sound, lookahead=2880)
    assert (now[:5, JAW] < 0.02).all()
    assert ahead[:6, JAW].sum() >= now[:6, JAW].sum()


@pytest.mark.parametrize("gain", [0.1, 1.0, 4.0])
def test_loudness_of_the_recording_matters_little(gain):
    faces = drive(gain * vowel(AA, 1.0))
    assert 0.25 < faces[-1][JAW] < 0.9


def test_a_batch_gives_what_each_gives_alone():
    driver = SignalDriver()
    sounds = [vowel(v, 0.4) for v in (AA, EE, OO)]
    states = [driver.begin() for _ in sounds]
    for start in range(0, len(sounds[0]) - FRAME + 1, FRAME):
        heard = [Heard(sound[start : start + FRAME], FRAME // 2) for sound in sounds]
        together = driver.drive(states, heard)
    alone = torch.stack([drive(sound)[-1] for sound in sounds])
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_frame_without_new_sound_is_no_error():
    driver = SignalDriver()
    face = driver.drive([driver.begin()], [Heard(torch.zeros(0), -960)])
    assert face.shape == (1, SIZE)
    assert torch.isfinite(face).all()


@pytest.fixture(scope="module")
def engine():
    return Engine(device="cpu")


@pytest.fixture(scope="module")
def shelf():
    return load_all(shipped_avatars())


def speak(engine, stage, index: int, pcm: bytes, turn: int = 1):
    shot = Shot(index, index * 0.04, "talking", turn, pcm, FRAME // 2, 0.5)
    return engine.render([Job(stage, shot)])[0]


def test_the_mouth_rests_within_three_frames_of_the_last_word(engine, shelf):
    stage = engine.stage(shelf.avatars["ada"], 128, 128, seed=1)
    said = (throat.vowel(throat.AA) * 32767).short()[: 10 * FRAME]
    for index, loud in enumerate(said.split(FRAME)):
        speak(engine, stage, index, loud.numpy().tobytes())
    assert stage.mouth[JAW] > 0.3
    for index in range(10, 13):
        engine.render([Job(stage, Shot(index, index * 0.04, "idle"))])
    assert stage.mouth[JAW] < 0.02


def test_the_same_seed_and_shots_give_the_same_pixels(engine, shelf):
    loud = (vowel(AA, 0.04) * 32767).short().numpy().tobytes()
    strips = []
    for _ in range(2):
        stage = engine.stage(shelf.avatars["leo"], 128, 128, seed=7)
        strips.append([speak(engine, stage, i, loud).i420.copy() for i in range(5)])
    assert np.array_equal(strips[0], strips[1])


def test_sessions_of_several_sizes_and_avatars_render_in_one_pass(engine, shelf):
    stages = [
        engine.stage(shelf.avatars["ada"], 128, 128, seed=1),
        engine.stage(shelf.avatars["fiducial"], 256, 144, seed=2),
        engine.stage(shelf.avatars["ada"], 128, 128, seed=3),
    ]
    jobs = [Job(stage, Shot(0, 0.0, "idle")) for stage in stages]
    pictures = engine.render(jobs)
    assert [(p.width, p.height) for p in pictures] == [
        (128, 128),
        (256, 144),
        (128, 128),
    ]
    for picture in pictures:
        assert picture.i420.shape == (picture.width * picture.height * 3 // 2,)


def test_a_new_turn_begins_with_new_ears(engine, shelf):
    stage = engine.stage(shelf.avatars["ada"], 128, 128, seed=1)
    speak(engine, stage, 0, bytes(2 * FRAME), turn=1)
    first = stage.hearing
    speak(engine, stage, 1, bytes(2 * FRAME), turn=2)
    assert stage.hearing is not first


class Foreign(SignalDriver):
    """A driver that gives what it was made with."""

    def __init__(self, given) -> None:
        self.given = given

    def drive(self, states, heard):
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
    stage = engine.stage(shelf.avatars["ada"], 128, 128, seed=1)
    with pytest.raises(WrongFaces, match=told):
        speak(engine, stage, 0, bytes(2 * FRAME))
    assert not stage.mouth.any()
    assert engine.render([Job(stage, Shot(1, 0.04, "idle"))])


def test_pcm_becomes_floats_between_minus_one_and_one():
    pcm = np.array([-32768, 0, 16384], "<i2").tobytes()
    assert samples(pcm).tolist() == [-1.0, 0.0, 0.5]
