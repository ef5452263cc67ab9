"""
``bench batching``: the same speech through a *model* of a batching design.

This is no product measured: it is the arithmetic of one design, with the constants and
queue depths that LiveTalking publishes, and with computing for free.  Sound is taken
in batches of 16 frames, a piece of silence for each piece that does not come in 10 ms,
and leaves 200 ms later, when its right-hand context is there.  How long the next batch
waits follows from what is queued for playing before the last one has come through, as
there, where another thread renders it.  A cut clears what was not yet taken; the queues
play on.
"""

import argparse
import asyncio
import time
from collections.abc import Coroutine

from rich.console import Console

from bench.peers.voice import Voice, sounding
from bench.peers.workload import Measured, System, measure
from bench.probe.stack import Stack
from bench.report.figures import Report
from protocol.lite.messages import SAMPLE_RATE

NAME = "model of batching"
FPS = 25
BATCH_FRAMES = 16
PIECE_S, PIECE_WAIT_S = 0.020, 0.010
CONTEXT_PIECES = 10
FULL_FRAMES = 5  # queued for playing: from here on the next batch waits,
FULL_WAIT = 0.8  # this part of the time that they take

_PIECE_BYTES = round(2 * SAMPLE_RATE * PIECE_S)
_BATCH_PIECES = round(BATCH_FRAMES / FPS / PIECE_S)
_SETTLE_S = 2.0
_SLOWEST_S = 1.5  # given until heard
_LONGEST_S = 1.9  # cut until silent


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turns", type=int, default=10)


class Batching(Voice):
    """A voice that sounds what it is given a batch at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._given = b""
        self._context = bytes(CONTEXT_PIECES * _PIECE_BYTES)

    async def say(self, pcm: bytes) -> float:
        self._given += pcm
        return time.monotonic()

    async def cut(self) -> float:
        self._given = b""
        return time.monotonic()

    def works(self) -> list[Coroutine[None, None, None]]:
        return [*super().works(), self._take()]

    async def _take(self) -> None:
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


def system(stack: Stack) -> System:
    return System(
        NAME,
        lambda: sounding(Batching(), stack, _SETTLE_S),
        slowest_s=_SLOWEST_S,
        longest_s=_LONGEST_S,
    )


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"{NAME}: {given.turns} turns, each cut")
    batch_ms, context_ms = 1000 * BATCH_FRAMES // FPS, 20 * CONTEXT_PIECES
    report = Report(NAME, {"batch_ms": batch_ms, "context_ms": context_ms})
    measured = Measured()
    asyncio.run(measure(system(stack), measured, given.turns, 0, seed=3))
    measured.add_to(report, NAME)
    return [report]
