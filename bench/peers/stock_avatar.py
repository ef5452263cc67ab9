"""
An avatar worker as a user of livekit-agents would build it: the stock `AvatarRunner`.

Receiver, runner and synchronizer are at their defaults.  The generator is as cheap as
one can be: the sound goes through untouched, and each 40 ms of it gets one of a few
ready-made pictures.  Between turns it makes a picture when one is due and never ahead
of time, so that no idle picture stands in the queue before speech.  It makes 25 a
second; the runner's default publish options encode 20 of them at 512x512.
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


def picture(level: int) -> rtc.VideoFrame:
    """A grey square with a bright bar as high as the level."""
    luma = np.full((SIDE, SIDE), 60, np.uint8)
    luma[SIDE - level * SIDE // LEVELS :, SIDE // 4 : 3 * SIDE // 4] = 200
    chroma = np.full(SIDE * SIDE // 2, 128, np.uint8)
    data = luma.tobytes() + chroma.tobytes()
    return rtc.VideoFrame(SIDE, SIDE, rtc.VideoBufferType.I420, data)


class Bars(VideoGenerator):  # type: ignore[misc]
    """One picture for each 40 ms of sound, by its loudness."""

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[rtc.AudioFrame | AudioSegmentEnd] = asyncio.Queue()
        self._pcm = b""
        self._pictures = [picture(level) for level in range(LEVELS)]

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
                    given = await self._inbox.get()
            except TimeoutError:
                yield self._pictures[0]
                due_s = max(due_s, time.monotonic() - 1 / FPS) + 1 / FPS
                continue
            if isinstance(given, rtc.AudioFrame):
                self._pcm += bytes(given.data)
                least = FRAME_SAMPLES
            else:
                least = 1
            while len(self._pcm) >= 2 * least:
                for piece in self._step():
                    yield piece
            due_s = time.monotonic() + 1 / FPS
            if isinstance(given, AudioSegmentEnd):
                yield given

    def _step(self) -> tuple[rtc.VideoFrame, rtc.AudioFrame]:
        step = self._pcm[: 2 * FRAME_SAMPLES].ljust(2 * FRAME_SAMPLES, b"\0")
        self._pcm = self._pcm[2 * FRAME_SAMPLES :]
        loudest = int(np.abs(np.frombuffer(step, np.int16).astype(int)).max())
        shown = self._pictures[min(LEVELS - 1, loudest * LEVELS // 32_768)]
        return shown, rtc.AudioFrame(step, SAMPLE_RATE, 1, FRAME_SAMPLES)


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
    os._exit(0)  # the SDK may abort while Python tears itself down


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
