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
import time

from rich.console import Console

from bench.figures import Report
from bench.interrupt import steady
from bench.listening import Heard, speech
from bench.stack import Stack
from bench.voice import SPEECH_S, Voice, published, two_figures
from protocol.messages import SAMPLE_RATE

FPS = 25
BATCH_FRAMES = 16
PIECE_S, PIECE_WAIT_S = 0.020, 0.010
CONTEXT_PIECES = 10
FULL_FRAMES = 5  # queued for playing: from here on the next batch waits,
FULL_WAIT = 0.8  # this part of the time that they take

_PIECE_BYTES = round(2 * SAMPLE_RATE * PIECE_S)
_BATCH_PIECES = round(BATCH_FRAMES / FPS / PIECE_S)
_SETTLE_S = 3.0
_STEADY_S = 6.0
_SLOWEST_S = 1.5  # given until heard
_LONGEST_S = 2.2  # cut until silent


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turns", type=int, default=10)


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
            queued_s = self.queued_s
            taken = self._context + b"".join(pieces)
            self._context = taken[-CONTEXT_PIECES * _PIECE_BYTES :]
            self.add(taken[: -CONTEXT_PIECES * _PIECE_BYTES])
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
    waits = {"slowest_s": _SLOWEST_S, "longest_s": _LONGEST_S}
    return [two_figures(report, heard, turns, cuts, **waits)]


async def _talk(
    given: argparse.Namespace, stack: Stack
) -> tuple[Heard, list[float], list[float]]:
    voice = Batching()
    async with published(voice, stack) as listener, asyncio.TaskGroup() as group:
        working = [group.create_task(voice.run()), group.create_task(voice.take())]
        await asyncio.sleep(_SETTLE_S)
        turns, cuts = await _turns(voice, given.turns)
        for task in working:
            task.cancel()
        return listener.leave(), turns, cuts


async def _turns(voice: Batching, count: int) -> tuple[list[float], list[float]]:
    chance, turns, cuts = random.Random(3), [], []
    for _ in range(count):
        turns.append(time.monotonic())
        voice.say(speech(SPEECH_S))
        await asyncio.sleep(SPEECH_S + _SLOWEST_S + chance.uniform(0, 0.7))
    for _ in range(count):
        voice.say(steady(_STEADY_S))
        await asyncio.sleep(_SLOWEST_S + chance.uniform(0.3, 0.9))
        cuts.append(time.monotonic())
        voice.cut()
        await asyncio.sleep(_LONGEST_S + 0.1)
    return turns, cuts
