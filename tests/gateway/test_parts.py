"""The small parts: clock, cushion, pcm, batcher, settings, qualities, sound files."""

import asyncio
import datetime
import threading
import wave
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.auth.session_tokens import SessionTokens
from lite_gateway.config import Config
from lite_gateway.errors import ConfigError, Refused, RenderFailed
from lite_gateway.metrics import Metrics
from lite_gateway.offline.wav import InvalidWav, read_wav
from lite_gateway.playout.batcher import Batcher
from lite_gateway.playout.frame_clock import FrameClock
from lite_gateway.playout.jitter_buffer import MAX_S, JitterBuffer
from lite_gateway.playout.turn_audio import TurnAudio, faded
from lite_gateway.video_quality import QUALITIES, parse_quality
from renderer.frames import FrameRequest, VideoFrame
from tests.waiting import PATIENCE_S


class FakeClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_rephased_clock_is_due_at_once_and_then_every_40_ms():
    hand = FakeClock()
    clock = FrameClock(Fraction(25), hand)
    clock.take()
    hand.now_s = 0.013
    clock.rephase()
    ticks = []
    for _ in range(3):
        hand.now_s = clock.due_s
        ticks.append(clock.take())
    assert [tick.index for tick in ticks] == [1, 2, 3]
    assert [tick.due_s for tick in ticks] == pytest.approx([0.013, 0.053, 0.093])


def test_whole_frames_that_are_late_are_skipped_and_no_others():
    hand = FakeClock()
    clock = FrameClock(Fraction(25), hand)
    clock.take()
    hand.now_s = 0.04 + 0.100
    tick = clock.take()
    assert (tick.index, tick.skipped) == (3, 2)
    assert tick.due_s == pytest.approx(0.12)
    assert clock.take().skipped == 0


@given(st.integers(0, 10**7), st.sampled_from([Fraction(25), Fraction(30000, 1001)]))
def test_sound_and_picture_never_drift(index, fps):
    clock = FrameClock(fps, FakeClock())
    exact = Fraction(index * 24_000) / fps
    assert 0 <= exact - clock.samples(index, 24_000) < 1


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=200))
def test_the_cushion_stays_within_its_bounds(history):
    cushion = JitterBuffer()
    for spare_s in history:
        if spare_s is None:
            cushion.ran_dry()
        else:
            cushion.stretch_over(spare_s)
        assert 0 <= cushion.target_s <= MAX_S


def test_the_cushion_grows_when_dry_and_shrinks_when_there_is_time_to_spare():
    cushion = JitterBuffer(0.020)
    cushion.ran_dry()
    assert cushion.target_s == pytest.approx(0.030)
    for _ in range(3):
        cushion.stretch_over(0.035)
    assert cushion.target_s == pytest.approx(0.020)
    for _ in range(30):
        cushion.stretch_over(5.0)  # a burst says nothing about jitter
    assert cushion.target_s == pytest.approx(0.020)


@given(st.lists(st.binary(max_size=999), max_size=30), st.integers(1, 5000))
def test_both_cursors_read_every_whole_sample_once(pieces, step):
    turn = TurnAudio(1, 0.0)
    heard = played = b""
    for piece in pieces:
        turn.append(piece, 0.0)
        heard += turn.hear(turn.heard + step)
        played += turn.play(step)
    while new := turn.play(step):
        played += new
    heard += turn.hear(turn.end)
    sent = b"".join(pieces)
    assert played == heard == sent[: len(sent) // 2 * 2]


def test_pcm_that_is_behind_both_cursors_is_freed():
    turn = TurnAudio(1, 0.0)
    for _ in range(100):
        turn.append(bytes(48_000), 0.0)
        turn.hear(turn.end)
        turn.play(24_000)
    assert len(turn._bytes) <= 2 * 48_000


def test_a_fade_ends_in_silence_and_starts_where_the_sound_was():
    pcm = np.full(192, 10_000, "<i2").tobytes()
    samples = np.frombuffer(faded(pcm), "<i2")
    assert samples[0] == 10_000
    assert samples[-1] == 0
    assert (np.diff(samples.astype(int)) <= 0).all()


def _picture(shot: FrameRequest) -> VideoFrame:
    return VideoFrame(2, 2, np.full(6, shot.index, np.uint8))


class _Job:
    def __init__(self, index: int) -> None:
        self.shot = FrameRequest(index, 0.0, "idle")


def test_jobs_that_come_while_a_batch_renders_make_the_next_one():
    sizes = []
    drawing, gate = threading.Event(), threading.Event()

    def render(jobs):
        sizes.append(len(jobs))
        drawing.set()
        gate.wait(PATIENCE_S)
        return [_picture(job.shot) for job in jobs]

    async def main():
        batcher = Batcher(render, Metrics())
        async with asyncio.TaskGroup() as group:
            running = group.create_task(batcher.run())
            first = group.create_task(batcher.frame(_Job(0)))
            await asyncio.to_thread(drawing.wait, PATIENCE_S)
            rest = [group.create_task(batcher.frame(_Job(i))) for i in (1, 2, 3)]
            await asyncio.sleep(0)  # they have asked when this goes on
            gate.set()
            pictures = [await task for task in (first, *rest)]
            running.cancel()
        return [int(picture.i420[0]) for picture in pictures]

    assert asyncio.run(main()) == [0, 1, 2, 3]
    assert sizes == [1, 3]


def test_one_bad_job_fails_alone():
    def render(jobs):
        if any(job.shot.index == 2 for job in jobs):
            raise ValueError("this one cannot be drawn")
        return [_picture(job.shot) for job in jobs]

    async def main():
        batcher = Batcher(render, Metrics())
        async with asyncio.TaskGroup() as group:
            running = group.create_task(batcher.run())

            async def ask(index: int) -> int | str:
                try:
                    return int((await batcher.frame(_Job(index))).i420[0])
                except RenderFailed as failed:
                    return str(failed)

            tasks = [group.create_task(ask(index)) for index in range(4)]
            answers = [await task for task in tasks]
            running.cancel()
        return answers

    assert asyncio.run(main()) == [0, 1, "the frame could not be rendered", 3]


def test_a_setting_that_does_not_exist_is_a_typo():
    with pytest.raises(ConfigError, match="LITE_MAX_SESIONS"):
        Config.from_env({"LITE_MAX_SESIONS": "3"})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("LITE_PORT", "http", "valid int"),
        ("LITE_PORT", "70000", "0 to 65535"),
        ("LITE_FPS", "500", "10 to 60"),
        ("LITE_FPS", "1/0", "valid"),
        ("LITE_DEVICE", "tpu", "auto, cpu, cuda"),
        ("LIVEKIT_URL", "localhost:7880", "ws://"),
    ],
)
def test_a_setting_that_is_wrong_names_itself(name, text, words):
    with pytest.raises(ConfigError, match=name) as refused:
        Config.from_env({name: text})
    assert words in str(refused.value)


def test_settings_come_from_the_environment_and_secrets_do_not_print():
    config = Config.from_env(
        {
            "LITE_FPS": "30000/1001",
            "LITE_API_KEYS": "a, b",
            "LIVEKIT_API_SECRET": "hush",
        }
    )
    assert config.fps == Fraction(30000, 1001)
    assert config.keys == ("a", "b")
    assert "hush" not in repr(config)
    assert "a, b" not in repr(config)


def test_every_quality_has_even_sides():
    for known in QUALITIES.values():
        assert known.width % 2 == known.height % 2 == 0
    assert parse_quality("512x512").bitrate == pytest.approx(1.5e6, rel=0.01)


@pytest.mark.parametrize("name", ["", "512", "511x512", "64x64", "4000x400", "x" * 99])
def test_a_size_that_cannot_be_is_refused_with_those_that_can(name):
    with pytest.raises(Refused, match="very_high"):
        parse_quality(name)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_wav_of_any_shape_is_read(tmp_path, rate, channels, width):
    path = tmp_path / "tone.wav"
    t = np.arange(rate) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * t)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(_encoded(np.repeat(tone, channels), width))
    samples = np.frombuffer(read_wav(path), "<i2") / 32767
    assert len(samples) == pytest.approx(24_000, abs=2)
    there = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(samples)) / 24_000)
    middle = slice(2_000, -2_000)
    assert np.abs(samples[middle] - there[middle]).max() < 0.02


def _encoded(samples: np.ndarray, width: int) -> bytes:
    match width:
        case 1:
            return (samples * 127 + 128).astype(np.uint8).tobytes()
        case 2:
            return (samples * 32767).astype("<i2").tobytes()
        case 3:
            whole = (samples * (2**23 - 1)).astype("<i4")
            return whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        case _:
            return (samples * (2**31 - 1)).astype("<i4").tobytes()


def test_what_is_no_wav_is_said_to_be_none(tmp_path):
    path = tmp_path / "no.wav"
    path.write_bytes(b"ID3 and the rest of an mp3")
    with pytest.raises(InvalidWav, match="give a PCM WAV"):
        read_wav(path)


@pytest.mark.parametrize("size", [0, 20])
def test_a_wav_without_a_whole_header_ends_too_soon(tmp_path, size):
    path = tmp_path / "cut.wav"
    path.write_bytes(b"RIFF\xff\0\0\0WAVEfmt \x10\0\0\0"[:size])
    with pytest.raises(InvalidWav, match=r"ends too soon; give a PCM WAV"):
        read_wav(path)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("left", [1, 2, 3])
def test_of_a_wav_cut_in_a_frame_the_whole_frames_are_read(tmp_path, width, left):
    path = tmp_path / "cut.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(width)
        file.setframerate(24_000)
        file.writeframes(bytes(2 * width * 100))
    path.write_bytes(path.read_bytes()[: -2 * width * 10 - left])
    whole = 90 - -(-left // (2 * width))
    assert len(read_wav(path)) == 2 * whole


NOW_S = datetime.datetime.now(datetime.UTC).timestamp()


def test_a_session_token_that_has_expired_says_so():
    tokens = SessionTokens("of this server, and it is long enough", 3600.0)
    assert tokens.session_id(tokens.mint("s1", "LITE", NOW_S)) == "s1"
    with pytest.raises(Refused, match="expired; mint a new one") as refused:
        tokens.session_id(tokens.mint("s1", "LITE", NOW_S - 7200))
    assert refused.value.status == 401


def test_a_session_token_of_another_server_is_refused():
    foreign = SessionTokens("of another server, and it is long enough", 3600.0).mint(
        "s1", "LITE", NOW_S
    )
    with pytest.raises(Refused, match="not one of this server"):
        SessionTokens("of this server, and it is long enough", 3600.0).session_id(
            foreign
        )
