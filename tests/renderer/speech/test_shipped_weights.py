"""Tests of the lip-sync driver with the shipped weights, on computed audio."""

import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from renderer.face import INDEX
from renderer.speech.driver import AudioChunk
from renderer.speech.native_driver import make_lip_driver
from tests.renderer.speech.synthetic_vowels import AA, EE, OO, vowel
from training.augmentation import coloured_noise, music

NO_SPEECH = ("silence", "noise", "music", "flute", "violin", "dial tone", "hum")
SAMPLES = Path(__file__).parents[3] / "web" / "samples"
RATE = 24_000
FRAME = 960
JAW, CLOSE = INDEX["jawOpen"], INDEX["mouthClose"]


@pytest.fixture(scope="module")
def driver(native):
    return make_lip_driver(torch.device("cpu"), native)


def drive_turn(driver, pcm, ahead: int = 1920):
    """Return the faces ``[n, 57]`` of a turn."""
    state, consumed, faces = driver.begin(), 0, []
    for moment in range(FRAME // 2, len(pcm), FRAME):
        until = min(moment + ahead, len(pcm))
        faces.append(
            driver.drive([state], [AudioChunk(pcm[consumed:until], until - moment)])[0]
        )
        consumed = until
    return torch.stack(faces)


def tune(hz: float, overtones: list[float], t: np.ndarray) -> np.ndarray:
    """Return a scale with vibrato, which differs from the music of the training."""
    steps = np.array([0, 4, 7, 12, 7, 5, 2, 11])
    notes = hz * 2 ** (steps[(t / 0.4).astype(int) % len(steps)] / 12)
    turn = np.cumsum(notes * (1 + 0.006 * np.sin(2 * np.pi * 5.3 * t))) / RATE
    waves = [a * np.sin(2 * np.pi * n * turn) for n, a in enumerate(overtones, 1)]
    swell = np.minimum(1, (t % 0.4) / 0.03) * np.minimum(1, (0.4 - t % 0.4) / 0.06)
    return np.sum(waves, 0) * swell


def no_speech(kind: str, seconds: float = 3.0):
    rng, length = np.random.default_rng(7), round(seconds * RATE)
    t = np.arange(length) / RATE
    match kind:
        case "flute":
            audio = 0.2 * tune(523, [1, 0.3, 0.12, 0.05], t)
        case "violin":
            audio = 0.1 * tune(330, [1 / n for n in range(1, 16)], t)
        case "dial tone":
            audio = 0.1 * (np.sin(2 * np.pi * 350 * t) + np.sin(2 * np.pi * 440 * t))
        case "hum":
            mains = [np.sin(2 * np.pi * 50 * n * t) / n for n in range(1, 8)]
            audio = 0.01 * np.sum(mains, 0)
        case "silence":
            audio = np.zeros(length)
        case "noise":
            audio = 0.01 * coloured_noise(length, rng, 0.5)
        case "music":
            audio = music(length, rng)
            audio = 0.05 * audio / np.abs(audio).max()
    return torch.from_numpy(audio).float()


@pytest.mark.parametrize("kind", NO_SPEECH)
def test_audio_without_speech_leaves_the_mouth_at_rest(driver, kind):
    faces = drive_turn(driver, no_speech(kind))[10:]
    assert (faces[:, JAW] - faces[:, CLOSE]).mean() < 0.05
    assert faces.diff(dim=0).abs().mean() < 0.01


def test_vowels_give_different_mouths(driver):
    opened, spread, rounded = (
        drive_turn(driver, vowel(v))[6:11].mean(0) for v in (AA, EE, OO)
    )
    round_ = INDEX["mouthPucker"], INDEX["mouthFunnel"]
    wide = INDEX["mouthStretchLeft"], INDEX["mouthSmileLeft"]
    assert opened[JAW] > spread[JAW] + 0.15
    assert opened[JAW] > rounded[JAW] + 0.15
    assert rounded[[*round_]].sum() > spread[[*round_]].sum() + 0.2
    assert spread[[*wide]].sum() > rounded[[*wide]].sum() + 0.1


def test_a_held_vowel_keeps_the_mouth_open(driver):
    faces = drive_turn(driver, vowel(AA, 1.2))
    assert faces[8:26, JAW].min() > 0.3


def test_the_mouth_closes_after_speech(driver):
    pcm = torch.cat([vowel(AA), torch.zeros(RATE // 2)])
    faces = drive_turn(driver, pcm)
    assert faces[7, JAW] > 0.3
    assert faces[-1, JAW] < 0.05


@pytest.mark.parametrize("sample", ["hello", "question-heart-low"])
def test_soft_speech_moves_the_mouth_as_far(driver, sample):
    with wave.open(str(SAMPLES / f"{sample}.wav")) as file:
        pcm = np.frombuffer(file.readframes(5 * RATE), "<i2").astype(np.float32)
    loud = torch.from_numpy(pcm / 32768)
    faces = drive_turn(driver, loud)[:, JAW]
    soft = drive_turn(driver, loud * 10 ** (-25 / 20))[:, JAW]
    assert soft[:25].mean() > 0.7 * faces[:25].mean()  # the first second
    assert soft[25:].mean() > 0.9 * faces[25:].mean()


@pytest.mark.parametrize("softer_db", [10, 20])
def test_soft_vowels_move_the_mouth_as_far_after_adaptation(driver, softer_db):
    """At 25 dB, vowels without any consonant pass for a voice elsewhere in the room."""
    loud = torch.cat([vowel(AA)] * 5)
    loud_faces, soft = (
        drive_turn(driver, loud),
        drive_turn(driver, loud * 10 ** (-softer_db / 20)),
    )
    assert soft[-14:, JAW].max() > 0.7 * loud_faces[-14:, JAW].max()
