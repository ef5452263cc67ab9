"""
``bench voice``: the same speech straight into a LiveKit room, without an avatar.

This is the physical limit of what `latency` and `interrupt` measure at a subscriber:
the SDK, Opus, the server and the jitter buffer, and nothing of ours.
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
_AHEAD_S = 0.020
_SETTLE_S = 2.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turns", type=int, default=20)


class Voice:
    """A track that sounds what it is given at once, and silence otherwise."""

    def __init__(self) -> None:
        self.source = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=100)
        self._pcm = b""

    @property
    def queued_s(self) -> float:
        """Given and not yet handed to the SDK."""
        return len(self._pcm) / 2 / SAMPLE_RATE

    async def say(self, pcm: bytes) -> float:
        """This, instead of whatever was being said."""
        at_s = time.monotonic()
        self.source.clear_queue()
        self._pcm = pcm
        return at_s

    async def cut(self) -> float:
        return await self.say(b"")

    def add(self, pcm: bytes) -> None:
        """This, after what is being said."""
        self._pcm += pcm

    def works(self) -> list[Coroutine[None, None, None]]:
        """What must run for it to sound."""
        return [self._run()]

    async def _run(self) -> None:
        while True:
            spare_s = self.source.queued_duration - _AHEAD_S
            if spare_s > 0:
                await asyncio.sleep(spare_s)
                continue
            step, self._pcm = self._pcm[: 2 * _STEP], self._pcm[2 * _STEP :]
            step += bytes(2 * _STEP - len(step))
            await self.source.capture_frame(rtc.AudioFrame(step, SAMPLE_RATE, 1, _STEP))


@contextlib.asynccontextmanager
async def sounding(
    voice: Voice, stack: Stack, settle_s: float = _SETTLE_S
) -> AsyncIterator[tuple[Voice, Listener]]:
    """The voice at work in a room of its own, with a subscriber."""
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
                working = [group.create_task(work) for work in voice.works()]
                await asyncio.sleep(settle_s)
                yield voice, listener
                for task in working:
                    task.cancel()
    finally:
        await room.disconnect()


def system(stack: Stack) -> System:
    return System(NAME, lambda: sounding(Voice(), stack))


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"{NAME}: {given.turns} turns, each cut")
    measured, report = Measured(), Report(NAME)
    asyncio.run(measure(system(stack), measured, given.turns, 0, seed=3))
    measured.add_to(report, NAME)
    return [report]
