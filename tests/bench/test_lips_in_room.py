"""Lip-sync offset in a room: a known lag is measured, in signals and in frames."""

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
from bench.latency import Turn
from bench.lips_in_room import Offset, Sentence, offset
from bench.probe.arrivals import FRAME_S, audio_ahead_ms
from bench.probe.crop import Crop
from bench.probe.listening import HEARD_RATE, SENT_RATE, Recording, speech
from bench.probe.stack import Stack, running_gateway
from bench.report.figures import Report
from lite_gateway.cli.render import frame_requests
from lite_gateway.config import Config, shipped_avatars
from lite_gateway.offline.audio_frames import split_audio
from lite_gateway.offline.wav import read_wav
from lite_gateway.playout.turn_audio import loudness
from renderer.avatar import load
from renderer.engine import Engine, RenderJob
from renderer.fiducial.rig import FiducialRig
from renderer.speech.native_driver import make_lip_driver
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


def mouth_signal(seed: int) -> Signal:
    """Return three seconds of mouth opening with realistic speeds."""
    rng = np.random.default_rng(seed)
    at_s = 0.010 + 0.020 * np.arange(150)
    speeds = rng.uniform(0.5, 6.0, 12)
    waves = np.sin(2 * np.pi * (speeds[:, None] * at_s + rng.uniform(0, 1, (12, 1))))
    return Signal(at_s, waves.sum(0))


def observed(expected: Signal, lag_s: float, seed: int) -> Signal:
    """Return ``expected`` at 25 frames per second with jitter, loss, sway and noise."""
    rng = np.random.default_rng(seed)
    at_s = np.sort(-0.5 + 0.040 * np.arange(105) + rng.uniform(-0.004, 0.004, 105))
    at_s = at_s[rng.uniform(size=105) > 0.05]
    shown = np.interp(at_s, expected.at_s, expected.opening)
    sway = np.sin(2 * np.pi * 0.3 * at_s + seed)
    noise = rng.normal(0, 0.1, len(at_s))
    return Signal(at_s + lag_s, 40 * (shown + 0.3 * sway + noise) - 7)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.floats(-0.15, 0.15))
def test_a_lag_is_measured_to_a_fraction_of_a_frame(seed, lag_s):
    expected = mouth_signal(seed)
    result = estimate_lag(observed(expected, lag_s, seed), expected, 0.25)
    assert result.lag_s == pytest.approx(lag_s, abs=0.005)
    assert result.correlation > 0.9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([-0.08, 0.08]))
def test_shifting_the_expected_signal_shifts_the_lag_the_other_way(seed, by_s):
    expected = mouth_signal(seed)
    seen = observed(expected, 0.06, seed)
    right = estimate_lag(seen, expected, 0.25)
    wrong = estimate_lag(seen, expected.shifted(by_s), 0.25)
    assert right.lag_s - wrong.lag_s == pytest.approx(by_s, abs=0.005)


def test_a_lag_beyond_the_search_range_is_unknown():
    for seed in range(20):
        expected = mouth_signal(seed)
        result = estimate_lag(observed(expected, 0.06, seed), expected, 0.05)
        assert np.isnan(result.lag_s)


def test_another_sentence_correlates_little():
    estimates = [
        estimate_lag(
            observed(mouth_signal(seed), 0.05, seed), mouth_signal(seed + 1), 0.25
        )
        for seed in range(0, 60, 2)
    ]
    assert np.median([estimate.correlation for estimate in estimates]) < 0.5


def test_a_still_mouth_has_no_lag():
    expected = mouth_signal(1)
    still = Signal(expected.at_s, np.zeros(150))
    for pair in ((still, expected), (expected, still), (expected.shifted(9), expected)):
        result = estimate_lag(*pair, 0.25)
        assert np.isnan(result.lag_s)
        assert result.correlation == 0


def test_a_crop_has_the_same_place_of_a_frame_of_any_size():
    down, across = np.mgrid[0:64, 0:96]
    whole = (2 * across + down).astype(np.uint8)
    crop = Crop(20, 10, 30, 16, 96, 64)
    assert Crop.parse(str(crop)) == crop
    assert np.array_equal(crop.of(whole), whole[10:26, 20:50])
    half = crop.of(whole[::2, ::2])
    assert half.shape == (16, 30)
    assert np.abs(half.astype(int) - crop.of(whole)).max() <= 3


def test_the_mouth_of_a_portrait_is_in_the_middle_below_the_eyes(rendered):
    crop = rendered[0].mouth.crop
    assert crop.left < SIZE / 2 < crop.left + crop.width
    assert SIZE / 2 < crop.top + crop.height / 2 < 0.8 * SIZE
    assert crop.width * crop.height < SIZE**2 / 4


def test_a_rig_without_a_mouth_is_refused():
    with pytest.raises(NoMouth):
        find_mouth(FiducialRig(SIZE, SIZE))
    values = {"quality": "256x256", "avatars": None, "avatar": "fiducial"}
    parser = argparse.ArgumentParser()
    lips_in_room.add_options(parser)
    options = argparse.Namespace(**{**vars(parser.parse_args([])), **values})
    with pytest.raises(SystemExit, match="fiducial does not open its mouth"):
        lips_in_room.run(options, None, Console(quiet=True))


@pytest.fixture(scope="module")
def rendered() -> tuple[Sentence, np.ndarray]:
    """Return a sentence and its frames from `lite-gateway render`, with idle motion."""
    torch.set_num_threads(1)  # more of them delay each other on a busy machine
    pcm = read_wav(lips_in_room.SPEECH)
    avatar, driver = (
        load(shipped_avatars() / Config().default_avatar),
        make_lip_driver(),
    )
    engine = Engine(device="cpu", driver=driver)
    render_session = engine.open_session(avatar, SIZE, SIZE, seed=3)
    mouth = find_mouth(render_session.rig)
    crops = []
    for frame_request in frame_requests(QUIET, pcm, b""):
        [frame] = engine.render([RenderJob(render_session, frame_request)])
        luma = frame.i420[: SIZE * SIZE].reshape(SIZE, SIZE)
        crops.append(mouth.crop.of(luma))
    return Sentence(
        pcm, mouth, expected_opening(render_session.rig, mouth, driver, pcm)
    ), crops


def received(sentence: Sentence, crops, audio_s: float, video_s: float) -> Recording:
    """Return a recording with these delays; without delay it begins at 1.0 s."""
    voice = soxr.resample(np.frombuffer(sentence.pcm, "<i2"), SENT_RATE, HEARD_RATE)
    quiet = np.zeros(HEARD_RATE, np.int16)
    audio = np.concatenate([quiet, voice, quiet])[: (len(voice) // 480 + 200) * 480]
    blocks = len(audio) // 480
    count = len(crops)
    frames = np.full((count, 4), -1.0)
    frames[:, 0] = video_s + FRAME_S * np.arange(count)
    return Recording(
        frames=frames,
        thumbnails=np.zeros((0, 64, 64), np.uint8),
        audio=audio[: 480 * blocks],
        audio_at_s=audio_s + 0.010 * np.arange(1, blocks + 1),
        block_sizes=np.full(blocks, 480),
        left_at_s=0.0,
        crops=np.array(crops),
    )


@pytest.mark.parametrize(("audio_s", "video_s"), [(0, 0), (0.09, 0.03), (0.05, 0.1)])
def test_the_offset_of_a_video_is_the_shift_of_its_audio(rendered, audio_s, video_s):
    sentence, crops = rendered
    turn = Turn(1, [(1.0, 0)], 1.0, 1.3 + sentence.seconds)
    result = offset(received(sentence, crops, audio_s, video_s), turn, sentence)
    assert result.heard_s == pytest.approx(1.0 + audio_s, abs=0.001)
    assert result.seen_s == pytest.approx(1.0 + video_s, abs=0.008)
    assert result.audio_ahead_s == pytest.approx(video_s - audio_s, abs=0.008)
    assert result.correlation > 0.85  # less than 1: frames are between the audio's
    assert result.reversed_correlation < result.correlation - 0.15


def test_a_turn_without_audio_or_with_other_lips_has_no_offset(
    rendered,
):
    sentence, crops = rendered
    turn = Turn(1, [(1.0, 0)], 1.0, 1.3 + sentence.seconds)
    heard = received(sentence, crops, 0, 0)
    silent = replace(heard, audio=np.zeros_like(heard.audio))
    assert np.isnan(offset(silent, turn, sentence).audio_ahead_s)
    other = replace(heard, crops=heard.crops[::-1])
    assert np.isnan(offset(other, turn, sentence).audio_ahead_s)


def test_a_turn_without_an_offset_is_counted_and_misses_its_budget():
    turns = [Turn(n, [(1.0, 0)], 1.0, 4.0) for n in range(3)]
    offsets = [Offset(1.06, -0.02, 0.9, 0.5), Offset(1.07, np.nan, 0.4, 0.5)]
    offsets.append(Offset(1.06, -0.03, 0.95, 0.5))
    report = Report("lips-in-room")
    lips_in_room.add_pace(report, "burst", turns, offsets)
    ahead, unknown = report.figures[:2]
    assert ahead.samples == pytest.approx([-20, -30])
    assert ahead.budget.met(ahead.samples)
    assert unknown.samples == [1]
    assert not unknown.budget.met(unknown.samples)


def level_sentence(pcm: bytes) -> Sentence:
    """Return the level of each frame's audio, which the fiducial shows as a bar."""
    frames = list(split_audio(pcm, Fraction(100), 0))
    length = int(SENT_RATE * FRAME_S)
    levels = [loudness(pcm[2 * it.start : 2 * (it.start + length)]) for it in frames]
    at_s = np.array([it.start / SENT_RATE + FRAME_S / 2 for it in frames])
    mouth = Mouth(Crop(0, 0, 1, 1, SIZE, SIZE), np.zeros((1, 1)), np.ones((1, 1)))
    return Sentence(pcm, mouth, Signal(at_s, np.array(levels)))


@pytest.mark.slow
@pytest.mark.livekit
def test_the_offset_by_correlation_agrees_with_the_markers(livekit, tmp_path):
    """Each fiducial frame carries its index and the level of its audio."""
    pcm = speech(2.5)
    sentence = level_sentence(pcm)
    condition = latency.Condition("burst", quality="256x256", turns=4)
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log"
    ) as gateway:
        conversation = asyncio.run(
            latency.talk(condition, Stack(livekit, gateway), seconds=2.5)
        )
    heard, starts = conversation.heard, conversation.starts()
    # The level in a frame's marker takes the place of the lips.
    heard.crops = heard.frames[:, 3].reshape(-1, 1, 1)
    for turn in conversation.turns:
        marks = audio_ahead_ms(heard, turn.number, starts[turn.number])
        signal = offset(heard, turn, sentence)
        assert signal.correlation > 0.9
        assert 1000 * signal.audio_ahead_s == pytest.approx(np.median(marks), abs=8)


def test_a_second_with_fewer_pictures_is_counted(rendered):
    heard = received(*rendered, 0, 0)
    at_s = heard.frames[:, 0]
    torn = replace(heard, frames=heard.frames[(at_s < 1) | (at_s > 1.5)])
    turns = [Turn(1, [(0.0, 0)], 0.1, 3.5)]
    rates = []
    for recording in (heard, torn):
        report = Report("lips-in-room")
        lips_in_room.add_pictures(report, "burst", turns, recording)
        [figure] = report.figures
        rates.append(figure.samples)
        assert figure.budget.met(figure.samples) is (recording is heard)
    assert rates == [[25, 25, 25], [25, 12, 25]]


def test_minutes_in_place_of_turns_end_in_time():
    parser = argparse.ArgumentParser()
    lips_in_room.add_options(parser)
    for words, expected in ((["--turns", "3"], 3), (["--minutes", "0"], 0)):
        args = parser.parse_args(words)
        assert len(list(lips_in_room._numbers(args))) == expected
