"""
Pipecat bot with the stock HeyGen/LiveAvatar service, or with its transport.

The voice is recorded. On standard input, ``say NAME`` speaks a recording, ``user
starts`` and ``user stops`` replace a voice activity detector, and ``seen`` prints what
the service has put out since the last ``seen``.

Usage: python pipecat_bot.py service|transport BASE_URL API_KEY SAMPLES
"""

import asyncio
import json
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import numpy as np
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputImageRawFrame,
    OutputTransportReadyFrame,
    SpeechOutputAudioRawFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.heygen.api_liveavatar import (
    LiveAvatarApi,
    LiveAvatarNewSessionRequest,
    VideoEncoding,
    VideoQuality,
    VideoSettings,
)
from pipecat.services.heygen.client import ServiceType
from pipecat.services.heygen.video import HeyGenVideoService
from pipecat.transports.heygen.transport import HeyGenTransport
from pipecat.workers.runner import WorkerRunner

RATE = 24_000
PIECE_S = 0.2
LOUD = 1000


def tell(event: str, **more: object) -> None:
    """Print an event with its time as one line of JSON."""
    line = {"event": event, "at": time.monotonic(), **more}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Screen(FrameProcessor):
    """End of the pipeline: counts images and loud audio, as a user would get them."""

    def __init__(self) -> None:
        super().__init__()
        self.clear()

    def clear(self) -> None:
        self.images, self.loud_s, self.sizes = 0, 0.0, set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case OutputImageRawFrame(size=size):
                self.images += 1
                self.sizes.add(tuple(size))
            case SpeechOutputAudioRawFrame(audio=audio, sample_rate=rate):
                samples = np.frombuffer(audio, "<i2").astype(int)
                self.loud_s += float((np.abs(samples) > LOUD).sum() / rate)
        await self.push_frame(frame, direction)


def spoken(path: Path) -> Iterator[Frame]:
    """Yield the frames that a text-to-speech service pushes, without delay."""
    yield TTSStartedFrame()
    with wave.open(str(path)) as wav:
        while pcm := wav.readframes(round(RATE * PIECE_S)):
            yield TTSAudioRawFrame(audio=pcm, sample_rate=RATE, num_channels=1)
    yield TTSStoppedFrame()


async def run_commands(worker: PipelineWorker, screen: Screen, samples: Path) -> None:
    """Run the commands of standard input until it ends."""
    await worker.queue_frame(OutputTransportReadyFrame())
    tell("joined")
    while line := await asyncio.to_thread(sys.stdin.readline):
        match line.split():
            case ["say", name]:
                await worker.queue_frames(list(spoken(samples / f"{name}.wav")))
                tell("queued")
            case ["user", "starts"]:
                tell("barging in")
                frames = [InterruptionFrame(), UserStartedSpeakingFrame()]
                await worker.queue_frames(frames)
            case ["user", "stops"]:
                await worker.queue_frame(UserStoppedSpeakingFrame())
            case ["seen"]:
                sizes = sorted(screen.sizes)
                tell("seen", images=screen.images, loud_s=screen.loud_s, sizes=sizes)
                screen.clear()
            case _:
                raise ValueError(f"unknown command {line!r}. Use say, user or seen.")
    await worker.queue_frame(EndFrame())


async def main(kind: str, base_url: str, key: str, samples: str) -> None:
    LiveAvatarApi.BASE_URL = base_url  # Pipecat has no option for it
    low = VideoSettings(encoding=VideoEncoding.H264, quality=VideoQuality.low)
    async with aiohttp.ClientSession() as http:
        options = {
            "api_key": key,
            "session": http,
            "service_type": ServiceType.LIVE_AVATAR,
            "session_request": LiveAvatarNewSessionRequest(
                avatar_id="fiducial", video_settings=low
            ),
        }
        screen = Screen()
        if kind == "service":
            steps = [HeyGenVideoService(**options), screen]
        else:
            transport = HeyGenTransport(**options)
            steps = [transport.input(), transport.output(), screen]
        worker = PipelineWorker(Pipeline(steps), enable_rtvi=False)
        runner = WorkerRunner(handle_sigint=False)
        worker.add_reached_downstream_filter((EndFrame,))
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.run(worker))

            @worker.event_handler("on_pipeline_started")
            async def started(*_: object) -> None:
                group.create_task(run_commands(worker, screen, Path(samples)))

    tell("left")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
