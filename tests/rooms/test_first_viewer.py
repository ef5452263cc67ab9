"""Pause of the video while its first viewer gets ready, alone and in a real room."""

import asyncio
import contextlib
import time
from fractions import Fraction

import numpy as np
import pytest
from livekit import api, rtc

from lite_gateway.metrics import Metrics
from lite_gateway.rooms.first_viewer import READY_S, FirstViewer
from lite_gateway.rooms.livekit_room import LiveKitRoom
from lite_gateway.rooms.sdk import CallOwner, SdkCalls
from lite_gateway.threads import Workers
from lite_gateway.video_quality import parse_quality
from renderer.frames import VideoFrame
from tests.waiting import PATIENCE_S, until_async

SIDE = 256
ROOM = "first-viewer"


class NoEvents:
    """Receiver of a room's events that ignores them."""

    def on_joined(self, room: rtc.Room) -> None: ...

    def on_users(self, count: int) -> None: ...

    def on_lost(self, reason: str) -> None: ...


class SentFrames:
    """Frames given to a room: when each was submitted to the SDK, or left out."""

    def __init__(self, room: LiveKitRoom, metrics: Metrics) -> None:
        self._room, self._metrics = room, metrics
        self.submitted_s: list[float] = []
        self.left_out_s: list[float] = []

    def is_resumed(self) -> bool:
        """Return whether frames were left out, and one was submitted after them."""
        return bool(self.left_out_s) and self.submitted_s[-1] > self.left_out_s[-1]

    def _submitted(self) -> float:
        name = "lite_publish_seconds_count"
        samples = [
            it for metric in self._metrics.publish.collect() for it in metric.samples
        ]
        return sum(it.value for it in samples if it.name == name)

    async def run(self) -> None:
        pixels = np.full(SIDE * SIDE * 3 // 2, 128, np.uint8)
        frame = VideoFrame(SIDE, SIDE, pixels)
        while True:
            before, now_s = self._submitted(), time.monotonic()
            await self._room.send_video(frame)
            is_new = self._submitted() > before
            (self.submitted_s if is_new else self.left_out_s).append(now_s)
            await asyncio.sleep(0.01)


def token(livekit, identity: str) -> str:
    signed = api.AccessToken(livekit.key, livekit.secret).with_identity(identity)
    return signed.with_grants(api.VideoGrants(room_join=True, room=ROOM)).to_jwt()


@contextlib.asynccontextmanager
async def watching(livekit):
    """Join as a viewer; yield an event that is set when a frame has been decoded."""
    room, decoded = rtc.Room(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        tasks = []

        async def watch(track: rtc.Track) -> None:
            async for _ in rtc.VideoStream(track):
                decoded.set()

        def on_track(track: rtc.Track, *_: object) -> None:
            if track.kind == rtc.TrackKind.KIND_VIDEO:
                tasks.append(group.create_task(watch(track)))

        room.on("track_subscribed", on_track)
        await room.connect(livekit.url, token(livekit, "viewer"))
        yield decoded
        for task in tasks:
            task.cancel()
    await room.disconnect()


def test_frames_wait_from_the_first_subscription_until_the_viewer_is_ready():
    now_s = 100.0
    viewer = FirstViewer(lambda: now_s)
    assert viewer.takes_frame()
    viewer.on_subscribed()
    assert not viewer.takes_frame()
    now_s += 0.9 * READY_S
    assert not viewer.takes_frame()
    now_s += 0.2 * READY_S
    assert viewer.takes_frame()


@pytest.mark.livekit
def test_the_first_viewer_is_given_time_before_the_first_frame(livekit):
    async def main() -> SentFrames:
        metrics, calls = Metrics(), SdkCalls()
        room = LiveKitRoom(
            parse_quality(f"{SIDE}x{SIDE}"),
            fps=Fraction(25),
            codec="H264",
            capture=Workers(1, "capture"),
            metrics=metrics,
            calls=calls,
            owner=CallOwner("key", "first-viewer"),
        )
        await room.open(livekit.url, token(livekit, "avatar"), NoEvents())
        sent = SentFrames(room, metrics)
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(sent.run())
            async with asyncio.timeout(PATIENCE_S), watching(livekit) as decoded:
                await decoded.wait()
                # A frame in the time that the event takes may have been decoded.
                await until_async(sent.is_resumed)
            sending.cancel()
        await room.close()
        await calls.wait(10.0)
        return sent

    sent = asyncio.run(main())
    first_s, last_s = sent.left_out_s[0], sent.left_out_s[-1]
    assert not [at_s for at_s in sent.submitted_s if first_s < at_s < last_s]
