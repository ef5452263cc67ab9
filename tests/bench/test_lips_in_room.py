"""Lips in a room: a lag is found where it was put, in signals and in pictures."""

import argparse
import asyncio
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bench import latency, lips_in_room
from bench.latency import FRAME_S, Turn
from bench.lips_in_room import Offset, Sentence, offset
from bench.probe.crop import Crop
from bench.probe.listening import HEARD_RATE, SENT_RATE, Recording, speech
from bench.probe.stack import Stack, running_gateway
from bench.report.figures import Report
from lite_gateway.cli.render import frame_requests
from lite_gateway.config import Config, shipped_avatars
from lite_gateway.offline.audio_frames import split_audio
from lite_gateway.offline.wav import read_wav
from lite_gateway.playout.turn_audio import loudness
from renderer.avatar import load, make_rig
from renderer.engine import Engine, RenderJob
from renderer.speech.lip_driver import LipsDriver
from training.evaluation.pixels import (
    Mouth,
    NoMouth,
    Signal,
    estimate_lag,
    expected_opening,
    find_mouth,
)

SIZE = 256
QUIET = bytes(2 * SENT_RATE)  # a second before the sentence
CPU = torch.device("cpu")


def opened(seed: int) -> Signal:
    """Three seconds of a mouth, as fast as mouths are."""
    chance = np.random.default_rng(seed)
    at_s = 0.010 + 0.020 * np.arange(150)
    speeds = chance.uniform(0.5, 6.0, 12)
    waves = np.sin(2 * np.pi * (speeds[:, None] * at_s + chance.uniform(0, 1, (12, 1))))
    return Signal(at_s, waves.sum(0))


def watched(truth: Signal, lag_s: float, seed: int) -> Signal:
    """Seen 25 times a second, jittered, some lost, with a head that moves, in noise."""
    chance = np.random.default_rng(seed)
    at_s = np.sort(-0.5 + 0.040 * np.arange(105) + chance.uniform(-0.004, 0.004, 105))
    at_s = at_s[chance.uniform(size=105) > 0.05]
    shown = np.interp(at_s, truth.at_s, truth.opening)
    sway = np.sin(2 * np.pi * 0.3 * at_s + seed)
    noise = chance.normal(0, 0.1, len(at_s))
    return Signal(at_s + lag_s, 40 * (shown + 0.3 * sway + noise) - 7)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.floats(-0.15, 0.15))
def test_a_lag_is_found_to_a_fraction_of_a_frame(seed, lag_s):
    truth = opened(seed)
    found = estimate_lag(watched(truth, lag_s, seed), truth, 0.25)
    assert found.lag_s == pytest.approx(lag_s, abs=0.005)
    assert found.correlation > 0.9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([-0.08, 0.08]))
def test_a_truth_that_is_moved_moves_the_lag_by_as_much_the_other_way(seed, by_s):
    truth = opened(seed)
    seen = watched(truth, 0.06, seed)
    right = estimate_lag(seen, truth, 0.25)
    wrong = estimate_lag(seen, truth.shifted(by_s), 0.25)
    assert right.lag_s - wrong.lag_s == pytest.approx(by_s, abs=0.005)


def test_a_lag_beyond_where_it_is_looked_for_is_none():
    for seed in range(20):
        truth = opened(seed)
        found = estimate_lag(watched(truth, 0.06, seed), truth, 0.05)
        assert np.isnan(found.lag_s)


def test_another_sentence_is_not_like_what_was_seen():
    estimates = [
        estimate_lag(watched(opened(seed), 0.05, seed), opened(seed + 1), 0.25)
        for seed in range(0, 60, 2)
    ]
    assert np.median([estimate.correlation for estimate in estimates]) < 0.5


def test_what_never_moves_has_no_lag():
    truth = opened(1)
    still = Signal(truth.at_s, np.zeros(150))
    for pair in ((still, truth), (truth, still), (truth.shifted(9), truth)):
        found = estimate_lag(*pair, 0.25)
        assert np.isnan(found.lag_s)
        assert found.correlation == 0


def test_a_crop_shows_the_same_place_of_a_picture_of_any_size():
    down, across = np.mgrid[0:64, 0:96]
    whole = (2 * across + down).astype(np.uint8)
    crop = Crop(20, 10, 30, 16, 96, 64)
    assert Crop.parse(str(crop)) == crop
    assert np.array_equal(crop.of(whole), whole[10:26, 20:50])
    half = crop.of(whole[::2, ::2])
    assert half.shape == (16, 30)
    assert np.abs(half.astype(int) - crop.of(whole)).max() <= 3


def rig_of(name: str):
    return make_rig(load(shipped_avatars() / name), SIZE, SIZE, CPU)


def test_the_mouth_of_a_drawn_face_is_below_its_eyes_and_in_the_middle():
    crop = find_mouth(rig_of("ada")).crop
    assert crop.left < SIZE / 2 < crop.left + crop.width
    assert SIZE / 2 < crop.top + crop.height / 2 < 0.8 * SIZE
    assert crop.width * crop.height < SIZE**2 / 4


def test_a_rig_without_a_mouth_is_refused():
    with pytest.raises(NoMouth):
        find_mouth(rig_of("fiducial"))
    wanted = {"quality": "256x256", "avatars": None, "avatar": "fiducial"}
    parser = argparse.ArgumentParser()
    lips_in_room.add_options(parser)
    options = argparse.Namespace(**{**vars(parser.parse_args([])), **wanted})
    with pytest.raises(SystemExit, match="fiducial does not open its mouth"):
        lips_in_room.run(options, None, Console(quiet=True))


@pytest.fixture(scope="module", params=sorted({"ada", Config().default_avatar}))
def filmed(request) -> tuple[Sentence, np.ndarray]:
    """A sentence, and its frames as `lite-gateway render` makes them: alive."""
    torch.set_num_threads(1)  # two of them wait for each other on a busy machine
    pcm = read_wav(lips_in_room.SPEECH)
    avatar, driver = load(shipped_avatars() / request.param), LipsDriver()
    engine = Engine(device="cpu", driver=driver)
    render_session = engine.open_session(avatar, SIZE, SIZE, seed=3)
    mouth = find_mouth(render_session.rig)
    crops = []
    for frame_request in frame_requests(QUIET, pcm, b""):
        [picture] = engine.render([RenderJob(render_session, frame_request)])
        luma = picture.i420[: SIZE * SIZE].reshape(SIZE, SIZE)
        crops.append(mouth.crop.of(luma))
    return Sentence(
        pcm, mouth, expected_opening(render_session.rig, mouth, driver, pcm)
    ), crops


def received(sentence: Sentence, crops, sound_s: float, picture_s: float) -> Recording:
    """Sound and frames that came so long after they should; it begins at 1.0 s."""
    voice = soxr.resample(np.frombuffer(sentence.pcm, "<i2"), SENT_RATE, HEARD_RATE)
    quiet = np.zeros(HEARD_RATE, np.int16)
    sound = np.concatenate([quiet, voice, quiet])[: (len(voice) // 480 + 200) * 480]
    pieces = len(sound) // 480
    count = len(crops)
    frames = np.full((count, 4), -1.0)
    frames[:, 0] = picture_s + FRAME_S * np.arange(count)
    return Recording(
        frames=frames,
        thumbs=np.zeros((0, 64, 64), np.uint8),
        sound=sound[: 480 * pieces],
        sound_at=sound_s + 0.010 * np.arange(1, pieces + 1),
        sizes=np.full(pieces, 480),
        left_at=0.0,
        crops=np.array(crops),
    )


@pytest.mark.parametrize(("sound_s", "picture_s"), [(0, 0), (0.09, 0.03), (0.05, 0.1)])
def test_the_offset_of_a_film_is_what_its_sound_was_moved_by(
    filmed, sound_s, picture_s
):
    sentence, crops = filmed
    turn = Turn(1, [(1.0, 0)], 1.0, 1.3 + sentence.seconds)
    found = offset(received(sentence, crops, sound_s, picture_s), turn, sentence)
    assert found.heard_s == pytest.approx(1.0 + sound_s, abs=0.001)
    assert found.seen_s == pytest.approx(1.0 + picture_s, abs=0.008)
    assert found.sound_leads_s == pytest.approx(picture_s - sound_s, abs=0.008)
    assert found.likeness > 0.9
    assert found.by_chance < found.likeness - 0.15


def test_a_turn_that_was_not_heard_or_whose_lips_do_something_else_has_no_offset(
    filmed,
):
    sentence, crops = filmed
    turn = Turn(1, [(1.0, 0)], 1.0, 1.3 + sentence.seconds)
    heard = received(sentence, crops, 0, 0)
    silent = replace(heard, sound=np.zeros_like(heard.sound))
    assert np.isnan(offset(silent, turn, sentence).sound_leads_s)
    other = replace(heard, crops=heard.crops[::-1])
    assert np.isnan(offset(other, turn, sentence).sound_leads_s)


def test_a_turn_without_an_offset_is_counted_and_misses_a_budget():
    turns = [Turn(n, [(1.0, 0)], 1.0, 4.0) for n in range(3)]
    offsets = [Offset(1.06, -0.02, 0.9, 0.5), Offset(1.07, np.nan, 0.4, 0.5)]
    offsets.append(Offset(1.06, -0.03, 0.95, 0.5))
    report = Report("lips-in-room")
    lips_in_room.add_pace(report, "burst", turns, offsets)
    leads, lost = report.figures[:2]
    assert leads.samples == pytest.approx([-20, -30])
    assert leads.budget.met(leads.samples)
    assert lost.samples == [1]
    assert not lost.budget.met(lost.samples)


def level_sentence(pcm: bytes) -> Sentence:
    """What the bar of the fiducial does: the loudness of each frame's own sound."""
    frames = list(split_audio(pcm, Fraction(100), 0))
    long = int(SENT_RATE * FRAME_S)
    levels = [loudness(pcm[2 * it.start : 2 * (it.start + long)]) for it in frames]
    at_s = np.array([it.start / SENT_RATE + FRAME_S / 2 for it in frames])
    mouth = Mouth(Crop(0, 0, 1, 1, SIZE, SIZE), np.zeros((1, 1)), np.ones((1, 1)))
    return Sentence(pcm, mouth, Signal(at_s, np.array(levels)))


@pytest.mark.slow
@pytest.mark.livekit
def test_the_offset_by_signal_is_that_by_the_marks_of_frames(livekit, tmp_path):
    """A fiducial says in each frame which one it is, and how loud its sound is."""
    pcm = speech(2.5)
    sentence = level_sentence(pcm)
    condition = latency.Condition("burst", quality="256x256", turns=4)
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log"
    ) as gateway:
        talked = asyncio.run(
            latency.talk(condition, Stack(livekit, gateway), seconds=2.5)
        )
    heard, starts = talked.heard, talked.starts()
    # The level that a frame's mark tells stands in for what its lips would.
    heard.crops = heard.frames[:, 3].reshape(-1, 1, 1)
    for turn in talked.turns:
        marks = latency.sound_leads(heard, turn.number, starts[turn.number])
        signal = offset(heard, turn, sentence)
        assert signal.likeness > 0.9
        assert 1000 * signal.sound_leads_s == pytest.approx(np.median(marks), abs=8)
