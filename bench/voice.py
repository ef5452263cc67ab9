"""
``bench voice``: the same speech straight into a LiveKit room, without an avatar.

This is the physical limit of what `latency` and `interrupt` measure at a subscriber:
the SDK, Opus, the server and the jitter buffer, and nothing of ours.
"""

import argparse
import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from livekit import rtc
from rich.console import Console

from bench.figures import Report
from bench.interrupt import last_loud, steady
from bench.listening import Heard, Listener, listening, speech
from bench.stack import Stack
from protocol.messages import SAMPLE_RATE

_STEP = SAMPLE_RATE // 50
_AHEAD_S = 0.020
_SETTLE_S = 2.0
SPEECH_S = 1.6


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

    def say(self, pcm: bytes) -> None:
        """This, instead of whatever was being said."""
        self.source.clear_queue()
        self._pcm = pcm

    def add(self, pcm: bytes) -> None:
        """This, after what is being said."""
        self._pcm += pcm

    async def run(self) -> None:
        while True:
            spare_s = self.source.queued_duration - _AHEAD_S
            if spare_s > 0:
                await asyncio.sleep(spare_s)
                continue
            step, self._pcm = self._pcm[: 2 * _STEP], self._pcm[2 * _STEP :]
            step += bytes(2 * _STEP - len(step))
            await self.source.capture_frame(rtc.AudioFrame(step, SAMPLE_RATE, 1, _STEP))


@contextlib.asynccontextmanager
async def published(voice: Voice, stack: Stack) -> AsyncIterator[Listener]:
    """The voice in a room of its own, with a subscriber."""
    name, room = f"voice-{time.monotonic_ns()}", rtc.Room()
    await room.connect(stack.livekit.url, stack.room_token(name, "voice"))
    track = rtc.LocalAudioTrack.create_audio_track("voice", voice.source)
    await room.local_participant.publish_track(
        track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        listening(
            stack.livekit.url, stack.room_token(name, "listener"), Path(folder)
        ) as listener,
    ):
        yield listener
    await room.disconnect()


def two_figures(
    report: Report,
    heard: Heard,
    turns: list[float],
    cuts: list[float],
    *,
    slowest_s: float = 0.5,
    longest_s: float = 0.7,
) -> Report:
    """From given to heard, and from cut to silent; the same for every peer."""
    pcm = speech(SPEECH_S)
    waits = [
        1000 * (heard.arrived(heard.find(pcm, at, at + SPEECH_S + slowest_s)) - at)
        for at in turns
    ]
    report.add("given → first sample decoded", "ms", waits)
    tails = [1000 * (last_loud(heard, at, longest_s) - at) for at in cuts]
    report.add("cut → last loud sample decoded", "ms", tails)
    return report


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"voice alone: {given.turns} turns and as many cuts")
    heard, turns, cuts = asyncio.run(_talk(given, stack))
    return [two_figures(Report("voice alone"), heard, turns, cuts)]


async def _talk(
    given: argparse.Namespace, stack: Stack
) -> tuple[Heard, list[float], list[float]]:
    voice, chance, turns, cuts = Voice(), random.Random(3), [], []
    async with published(voice, stack) as listener, asyncio.TaskGroup() as group:
        sounding = group.create_task(voice.run())
        await asyncio.sleep(_SETTLE_S)
        for _ in range(given.turns):
            turns.append(time.monotonic())
            voice.say(speech(SPEECH_S))
            await asyncio.sleep(SPEECH_S + chance.uniform(0.5, 0.8))
        for _ in range(given.turns):
            voice.say(steady(4.0))
            await asyncio.sleep(chance.uniform(0.3, 0.9))
            cuts.append(time.monotonic())
            voice.say(b"")
            await asyncio.sleep(0.75)
        sounding.cancel()
        return listener.leave(), turns, cuts
