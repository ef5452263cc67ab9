"""Audio and video senders, with the SDK's native part and without a server."""

import asyncio
import contextlib
import time

import numpy as np
import pytest
from livekit import rtc

from lite_gateway.rooms.sdk_events import SdkRefused, sdk_events
from lite_gateway.rooms.senders import AudioSender, VideoSender
from protocol.lite.messages import SAMPLE_RATE
from renderer.frames import VideoFrame
from tests.waiting import PATIENCE_S, best_of, figures

STEP = SAMPLE_RATE // 50


def level(value: int, samples: int = STEP) -> bytes:
    """Return PCM of one value, so that each sample shows where it is from."""
    return np.full(samples, value, "<i2").tobytes()


class Played:
    """Samples that the native source of a sender passes on to its track."""

    def __init__(self, sender: AudioSender) -> None:
        self._track = rtc.LocalAudioTrack.create_audio_track("test", sender.source)
        self._stream = rtc.AudioStream(
            self._track, sample_rate=SAMPLE_RATE, num_channels=1
        )
        self.blocks: list[np.ndarray] = []
        self._more = asyncio.Event()

    async def run(self) -> None:
        async for event in self._stream:
            self.blocks.append(np.frombuffer(event.frame.data, "<i2").copy())
            self._more.set()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def count(self, value: int) -> int:
        return sum(int((block == value).sum()) for block in self.blocks)

    async def wait_for(self, value: int, samples: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.count(value) < samples:
                self._more.clear()
                await self._more.wait()


class Steps:
    """Clock that goes on by 20 ms when the test says so, however long a step takes."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    async def next(self) -> None:
        self.now_s += 0.02
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def playing(events, now=time.monotonic):
    sender = AudioSender(events, now)
    played = Played(sender)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(played.run())
        yield sender, played
        await asyncio.sleep(0.05)
        task.cancel()
    await played.aclose()
    sender.close()


@pytest.mark.parametrize("known", [True, False], ids=["known SDK", "unknown SDK"])
def test_what_is_sent_is_played_once_and_in_order(known):
    async def main() -> None:
        steps = Steps()
        events = sdk_events() if known else None
        async with playing(events, steps) as (sender, played):
            await sender.send(b"")
            for value in range(1, 21):
                await sender.send(level(value))
                assert 0 < sender.queued_s <= 0.1
                await steps.next()
            await played.wait_for(20, STEP)
        heard = np.concatenate(played.blocks)
        heard = heard[heard != 0]
        assert heard.tolist() == np.repeat(np.arange(1, 21), STEP).tolist()

    asyncio.run(main())


def test_audio_is_taken_when_the_sdk_is_late():
    """A thread of the SDK that stands still looks like audio that comes too soon."""

    async def main() -> None:
        async with playing(sdk_events()) as (sender, played):
            for value in range(1, 31):
                await sender.send(level(value))
                await asyncio.sleep(0.002)
            await played.wait_for(30, STEP)

    asyncio.run(main())


@best_of(3)
def test_audio_that_was_cleared_is_not_played():
    """Each clear comes right after a step, which the SDK may not have queued yet."""

    async def main() -> None:
        async with playing(sdk_events()) as (sender, played):
            for old in range(1, 20):
                await sender.send(level(old, 4 * STEP))
                sender.clear()
                assert sender.queued_s == 0
                await sender.send(level(1000))
                with figures():
                    assert sender.queued_s == pytest.approx(0.02, abs=0.01)
                await asyncio.sleep(0.03)
            await played.wait_for(1000, 19 * STEP)
        # A block of 10 ms may be taken between the step and the clear.
        with figures():
            assert max(played.count(old) for old in range(1, 20)) <= STEP // 2

    asyncio.run(main())


class HeldAnswers:
    """Receiver of events whose answers come when the test lets them."""

    def __init__(self) -> None:
        self.answers: list = []

    def expect(self, answered) -> int:
        self.answers.append((len(self.answers), answered))
        return len(self.answers) - 1

    def forget(self, request_id: int) -> None:
        self.answers = [held for held in self.answers if held[0] != request_id]

    def answer_all(self, error: str = "") -> None:
        for request_id, answered in self.answers:
            answered(request_id, error)
        self.answers.clear()


async def is_waiting(task: asyncio.Task) -> bool:
    await asyncio.sleep(0.02)
    return not task.done()


def test_a_step_waits_for_answers_only_after_a_clear_or_when_many_are_missing():
    async def main() -> None:
        events = HeldAnswers()
        sender = AudioSender(events)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            await sender.send(level(1))
            await sender.send(level(2))
            sender.clear()
            cleared = group.create_task(sender.send(level(3)))
            assert await is_waiting(cleared)
            events.answer_all()
            await cleared
            for value in range(4, 8):
                await sender.send(level(value))
            many = group.create_task(sender.send(level(9)))
            assert await is_waiting(many)
            events.answer_all()
            await many
        sender.close()
        await sender.send(level(10))  # a room that was left takes nothing

    asyncio.run(main())


def test_a_step_that_is_cleared_while_it_waits_is_not_submitted():
    """An interrupt may come between a talkspurt's first clear and its first step."""

    async def main() -> None:
        events = HeldAnswers()
        sender = AudioSender(events)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            await sender.send(level(1))
            sender.clear()
            waiting = group.create_task(sender.send(level(2)))
            assert await is_waiting(waiting)
            assert sender.queued_s == STEP / SAMPLE_RATE  # nothing of it was heard
            sender.clear()
            assert sender.queued_s == 0
            events.answer_all()
            await waiting
            assert (events.answers, sender.queued_s) == ([], 0)
            await sender.send(level(3))
            assert len(events.answers) == 1
        sender.close()

    asyncio.run(main())


def test_a_step_that_waits_while_its_room_is_left_ends():
    async def main() -> None:
        events = HeldAnswers()
        sender = AudioSender(events)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            await sender.send(level(1))
            sender.clear()
            waiting = group.create_task(sender.send(level(2)))
            assert await is_waiting(waiting)
            sender.close()
            events.answer_all()
            await waiting

    asyncio.run(main())


def test_no_answer_is_awaited_for_a_step_that_the_sdk_rejected():
    async def main() -> None:
        events = HeldAnswers()
        sender = AudioSender(events)
        capture = sender._capture.message.capture_audio_frame
        handle, capture.source_handle = capture.source_handle, 2**40
        with pytest.raises(SdkRefused, match="rejected"):
            await sender.send(level(1))
        assert events.answers == []
        capture.source_handle = handle
        sender.clear()
        async with asyncio.timeout(PATIENCE_S):
            await sender.send(level(2))
        assert len(events.answers) == 1
        sender.close()

    asyncio.run(main())


def test_a_fade_is_submitted_in_the_call_that_clears():
    async def main() -> None:
        events = HeldAnswers()
        sender = AudioSender(events, Steps())
        await sender.send(level(1))
        events.answer_all()
        sender.clear(level(2, STEP // 4))
        assert len(events.answers) == 1
        # It fills a block of 10 ms, since no part of one is sent.
        assert sender.queued_s == pytest.approx(0.010)
        sender.close()

    asyncio.run(main())


def test_a_fade_follows_the_audio_of_missing_answers_with_the_next_step():
    async def main() -> None:
        events = HeldAnswers()
        sender = AudioSender(events)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            await sender.send(level(1))
            sender.clear(level(2, STEP // 4))
            assert len(events.answers) == 1  # of the step before
            waiting = group.create_task(sender.send(level(3)))
            assert await is_waiting(waiting)
            events.answer_all()
            await waiting
        [pcm] = sender._unanswered.values()
        assert pcm == level(2, STEP // 4) + bytes(STEP // 2) + level(3)
        sender.close()

    asyncio.run(main())


@pytest.mark.parametrize("known", [True, False], ids=["known SDK", "unknown SDK"])
def test_a_fade_is_played_after_a_clear_and_before_the_next_step(known):
    async def main() -> None:
        async with playing(sdk_events() if known else None) as (sender, played):
            await sender.send(level(1, 4 * STEP))
            await asyncio.sleep(0.02)
            sender.clear(level(2, STEP // 4))
            await sender.send(level(3))
            await played.wait_for(3, STEP)
        heard = np.concatenate(played.blocks)
        spoken = heard[heard != 0].tolist()
        assert spoken == sorted(spoken)
        assert (played.count(2), played.count(3)) == (STEP // 4, STEP)

    asyncio.run(main())


def test_a_fade_that_the_sdk_rejects_is_reported_at_the_next_step():
    async def main() -> None:
        sender = AudioSender(HeldAnswers())
        sender._capture.message.capture_audio_frame.source_handle = 2**40
        sender.clear(level(1))
        with pytest.raises(SdkRefused, match=r"took no audio: .*rejected"):
            await sender.send(level(2))
        sender.close()
        sender.clear(level(3))  # a room that was left takes nothing

    asyncio.run(main())


async def fill(sender: AudioSender) -> None:
    """Send until the SDK's queue is full, also after the SDK has emptied it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await sender.send(level(1, 8 * STEP))


def test_audio_that_the_sdk_did_not_take_is_reported_at_the_next_step():
    async def main() -> None:
        async with playing(sdk_events()) as (sender, _):
            with pytest.raises(SdkRefused, match=r"took no audio: .*capture"):
                await fill(sender)

    asyncio.run(main())


@pytest.mark.parametrize("known", [True, False], ids=["known SDK", "unknown SDK"])
def test_a_frame_arrives_with_the_pixels_that_were_sent(known):
    async def main() -> None:
        width, height = 160, 128
        pixels = np.random.default_rng(0).integers(0, 256, width * height * 3 // 2)
        frame = VideoFrame(width, height, pixels.astype(np.uint8))
        sender = VideoSender(width, height, known=known)
        track = rtc.LocalVideoTrack.create_video_track("test", sender.source)
        stream = rtc.VideoStream(track, format=rtc.VideoBufferType.I420)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await asyncio.to_thread(sender.send, frame)
                got = (await anext(stream)).frame
                # The source shows black frames until it gets its first one.
                if np.array_equal(np.frombuffer(got.data, np.uint8), frame.i420):
                    break
        assert (got.width, got.height) == (width, height)
        await stream.aclose()

    asyncio.run(main())


def test_a_source_that_was_given_back_takes_no_frame():
    async def main() -> None:
        sender = VideoSender(160, 128)
        await sender.source.aclose()
        with pytest.raises(SdkRefused):
            sender.send(VideoFrame(160, 128, np.zeros(160 * 128 * 3 // 2, np.uint8)))

    asyncio.run(main())
