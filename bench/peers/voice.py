"""
Scenario ``voice``: the side-by-side workload straight into a LiveKit room, no avatar.

This is the physical limit of what `latency` and `interrupt` measure at a subscriber:
the SDK, Opus, the LiveKit server and the jitter buffer, without this server.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path

from livekit import rtc
from rich.console import Console

from bench.peers.workload import Measured, System, measure
from bench.probe.listening import Listener, listening
from bench.probe.stack import Stack
from bench.report.figures import Report
from protocol.lite.messages import SAMPLE_RATE

NAME = "voice alone"
_STEP = SAMPLE_RATE // 50
_QUEUE_S = 0.020  # audio that is kept queued in the SDK
_SETTLE_S = 2.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--turns",
        type=int,
        default=20,
        help="utterances, each interrupted (default: %(default)s)",
    )


class Voice:
    """Audio track that plays audio when it is sent, and silence otherwise."""

    def __init__(self) -> None:
        self.source = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=100)
        self._pcm = b""

    @property
    def buffered_s(self) -> float:
        """Audio that has not been submitted to the SDK yet."""
        return len(self._pcm) / 2 / SAMPLE_RATE

    async def say(self, pcm: bytes) -> float:
        """Play ``pcm`` in place of everything that was sent before."""
        at_s = time.monotonic()
        self.source.clear_queue()
        self._pcm = pcm
        return at_s

    async def interrupt(self) -> float:
        return await self.say(b"")

    def append(self, pcm: bytes) -> None:
        """Play ``pcm`` after everything that was sent before."""
        self._pcm += pcm

    def loops(self) -> list[Coroutine[None, None, None]]:
        """Return the coroutines that must run while the voice plays."""
        return [self._run()]

    async def _run(self) -> None:
        while True:
            spare_s = self.source.queued_duration - _QUEUE_S
            if spare_s > 0:
                await asyncio.sleep(spare_s)
                continue
            step, self._pcm = self._pcm[: 2 * _STEP], self._pcm[2 * _STEP :]
            step += bytes(2 * _STEP - len(step))
            await self.source.capture_frame(rtc.AudioFrame(step, SAMPLE_RATE, 1, _STEP))


@contextlib.asynccontextmanager
async def publishing(
    voice: Voice, stack: Stack, settle_s: float = _SETTLE_S
) -> AsyncIterator[tuple[Voice, Listener]]:
    """Publish the voice in a room of its own that has a subscriber."""
    name, room = f"voice-{time.monotonic_ns()}", rtc.Room()
    await room.connect(stack.livekit.url, stack.room_token(name, "voice"))
    try:
        track = rtc.LocalAudioTrack.create_audio_track("voice", voice.source)
        await room.local_participant.publish_track(
            track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        )
        token = stack.room_token(name, "listener")
        with (
            tempfile.TemporaryDirectory() as folder,
            listening(stack.livekit.url, token, Path(folder)) as listener,
        ):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(loop) for loop in voice.loops()]
                await asyncio.sleep(settle_s)
                yield voice, listener
                for task in tasks:
                    task.cancel()
    finally:
        await room.disconnect()


def system(stack: Stack) -> System:
    return System(NAME, lambda: publishing(Voice(), stack))


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"{NAME}: {args.turns} turns, each interrupted")
    measured, report = Measured(), Report(NAME)
    asyncio.run(measure(system(stack), measured, args.turns, 0, seed=3))
    measured.add_to(report, NAME)
    return [report]
