"""
Avatar worker as a user of livekit-agents would build it, on the stock `AvatarRunner`.

Receiver, runner and synchronizer are at their defaults. The generator costs next to
nothing: audio passes unchanged, and each 40 ms of it gets one of a few prepared frames.
Between turns it yields a frame when one is due and never earlier, so that no idle frame
is queued in front of speech. It yields 25 frames per second; with its default publish
options the runner encodes 20 of them at 512x512.

Usage: python stock_avatar.py URL TOKEN SENDER (until standard input ends)
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator

import numpy as np
from livekit import rtc
from livekit.agents.voice.avatar import (
    AudioSegmentEnd,
    AvatarOptions,
    AvatarRunner,
    DataStreamAudioReceiver,
    VideoGenerator,
)

SIDE = 512
FPS = 25
SAMPLE_RATE = 24_000
FRAME_SAMPLES = SAMPLE_RATE // FPS
LEVELS = 16


def video_frame(level: int) -> rtc.VideoFrame:
    """Return a grey square with a bright bar as high as the level."""
    luma = np.full((SIDE, SIDE), 60, np.uint8)
    luma[SIDE - level * SIDE // LEVELS :, SIDE // 4 : 3 * SIDE // 4] = 200
    chroma = np.full(SIDE * SIDE // 2, 128, np.uint8)
    data = luma.tobytes() + chroma.tobytes()
    return rtc.VideoFrame(SIDE, SIDE, rtc.VideoBufferType.I420, data)


class Bars(VideoGenerator):  # type: ignore[misc]
    """Generator of one frame for each 40 ms of audio, by its amplitude."""

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[rtc.AudioFrame | AudioSegmentEnd] = asyncio.Queue()
        self._pcm = b""
        self._frames = [video_frame(level) for level in range(LEVELS)]

    async def push_audio(self, frame: rtc.AudioFrame | AudioSegmentEnd) -> None:
        await self._inbox.put(frame)

    def clear_buffer(self) -> None:
        self._pcm = b""
        while not self._inbox.empty():
            self._inbox.get_nowait()

    async def __aiter__(
        self,
    ) -> AsyncIterator[rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd]:
        due_s = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(max(0.0, due_s - time.monotonic())):
                    item = await self._inbox.get()
            except TimeoutError:
                yield self._frames[0]
                due_s = max(due_s, time.monotonic() - 1 / FPS) + 1 / FPS
                continue
            if isinstance(item, rtc.AudioFrame):
                self._pcm += bytes(item.data)
                min_samples = FRAME_SAMPLES
            else:
                min_samples = 1
            while len(self._pcm) >= 2 * min_samples:
                for frame in self._step():
                    yield frame
            due_s = time.monotonic() + 1 / FPS
            if isinstance(item, AudioSegmentEnd):
                yield item

    def _step(self) -> tuple[rtc.VideoFrame, rtc.AudioFrame]:
        step = self._pcm[: 2 * FRAME_SAMPLES].ljust(2 * FRAME_SAMPLES, b"\0")
        self._pcm = self._pcm[2 * FRAME_SAMPLES :]
        peak = int(np.abs(np.frombuffer(step, np.int16).astype(int)).max())
        frame = self._frames[min(LEVELS - 1, peak * LEVELS // 32_768)]
        return frame, rtc.AudioFrame(step, SAMPLE_RATE, 1, FRAME_SAMPLES)


async def main(url: str, token: str, sender: str) -> None:
    room = rtc.Room()
    await room.connect(url, token)
    print("joined", flush=True)
    runner = AvatarRunner(
        room,
        audio_recv=DataStreamAudioReceiver(room, sender_identity=sender),
        video_gen=Bars(),
        options=AvatarOptions(SIDE, SIDE, FPS, SAMPLE_RATE, 1),
    )
    await runner.start()
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # the SDK may abort while the interpreter shuts down


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
