"""
``bench batching``: the same speech through a *model* of a batching design.

This is no product measured: it is the arithmetic of one design, with the constants and
queue depths that LiveTalking publishes, and with computing for free.  Sound is taken
in batches of 16 frames, a piece of silence for each piece that does not come in 10 ms,
and leaves 200 ms later, when its right-hand context is there.  How long the next batch
waits follows from what is queued for playing before the last one has come through, as
there, where another thread renders it.  A cut clears what was not yet taken; the queues
play on.

The cuts come later in a turn than those of ``voice``: once there is sound to end.
"""

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path

import numpy as np
from livekit import rtc
from rich.console import Console

from bench.figures import Report
from bench.interrupt import steady
from bench.listening import Heard, listening, speech
from bench.stack import Stack
from bench.voice import Voice
from protocol.messages import SAMPLE_RATE

FPS = 25
BATCH_FRAMES = 16
PIECE_S, PIECE_WAIT_S = 0.020, 0.010
CONTEXT_PIECES = 10
FULL_FRAMES = 5  # queued for playing: from here on the next batch waits,
FULL_WAIT = 0.8  # this part of the time that they take

_PIECE_BYTES = round(2 * SAMPLE_RATE * PIECE_S)
_BATCH_PIECES = round(BATCH_FRAMES / FPS / PIECE_S)
_LOUD = 800  # of 16 bit; the tone is ten times that
_SETTLE_S = 3.0
_SPEECH_S, _STEADY_S = 1.6, 6.0
_SLOWEST_S = 1.5  # given until heard
_LONGEST_S = 2.2  # cut until silent


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turns", type=int, default=20)


class Batching(Voice):
    """A voice that sounds what it is given a batch at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._given = b""
        self._context = bytes(CONTEXT_PIECES * _PIECE_BYTES)

    def say(self, pcm: bytes) -> None:
        self._given += pcm

    def cut(self) -> None:
        self._given = b""

    async def take(self) -> None:
        """Batch after batch, of speech or of silence."""
        while True:
            pieces = [await self._piece() for _ in range(_BATCH_PIECES)]
            queued_s = len(self._pcm) / 2 / SAMPLE_RATE
            taken = self._context + b"".join(pieces)
            self._context = taken[-CONTEXT_PIECES * _PIECE_BYTES :]
            self._pcm += taken[: -CONTEXT_PIECES * _PIECE_BYTES]
            full = queued_s * FPS >= FULL_FRAMES
            await asyncio.sleep(FULL_WAIT * queued_s if full else 0)

    async def _piece(self) -> bytes:
        if not self._given:
            await asyncio.sleep(PIECE_WAIT_S)
        piece, self._given = self._given[:_PIECE_BYTES], self._given[_PIECE_BYTES:]
        return piece.ljust(_PIECE_BYTES, b"\0")


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"model of batching: {given.turns} turns and as many cuts")
    heard, turns, cuts = asyncio.run(_talk(given, stack))
    batch_ms, context_ms = 1000 * BATCH_FRAMES // FPS, 20 * CONTEXT_PIECES
    report = Report(
        "batching, a model", {"batch_ms": batch_ms, "context_ms": context_ms}
    )
    pcm = speech(_SPEECH_S)
    waits = [
        1000 * (heard.arrived(heard.find(pcm, at, at + _SPEECH_S + _SLOWEST_S)) - at)
        for at in turns
    ]
    report.add("given → first sample decoded", "ms", waits)
    tails = [1000 * (_last_loud(heard, at) - at) for at in cuts]
    report.add("cut → last loud sample decoded", "ms", tails)
    return [report]


def _last_loud(heard: Heard, at_s: float) -> float:
    within = heard.places(at_s, at_s + _LONGEST_S)
    loud = np.flatnonzero(np.abs(heard.sound[within].astype(int)) > _LOUD)
    return heard.arrived(within.start + int(loud[-1])) if len(loud) else at_s


async def _talk(
    given: argparse.Namespace, stack: Stack
) -> tuple[Heard, list[float], list[float]]:
    name = f"batching-{time.monotonic_ns()}"
    room, voice = rtc.Room(), Batching()
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
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(voice.run()), group.create_task(voice.take())]
            await asyncio.sleep(_SETTLE_S)
            turns, cuts = await _turns(voice, given.turns)
            for task in working:
                task.cancel()
        heard = listener.leave()
    await room.disconnect()
    return heard, turns, cuts


async def _turns(voice: Batching, count: int) -> tuple[list[float], list[float]]:
    chance, turns, cuts = random.Random(3), [], []
    for _ in range(count):
        turns.append(time.monotonic())
        voice.say(speech(_SPEECH_S))
        await asyncio.sleep(_SPEECH_S + _SLOWEST_S + chance.uniform(0, 0.7))
    for _ in range(count):
        voice.say(steady(_STEADY_S))
        await asyncio.sleep(_SLOWEST_S + chance.uniform(0.3, 0.9))
        cuts.append(time.monotonic())
        voice.cut()
        await asyncio.sleep(_LONGEST_S + 0.1)
    return turns, cuts
