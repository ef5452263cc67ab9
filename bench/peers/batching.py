"""
Scenario ``batching``: the side-by-side workload through a model of a batching design.

No product is measured. The model is the arithmetic of one design, with the constants
and queue depths that LiveTalking publishes, and with computation for free. It takes
audio in batches of 16 frames, and a chunk of silence for each chunk that does not come
within 10 ms. Audio leaves 200 ms later, when its right-hand context is there. How long
the next batch waits depends on what is queued for playing before the last batch has
come through, because there another thread renders it. An interrupt clears what was not
yet taken; the queues play on.
"""

import argparse
import asyncio
import time
from collections.abc import Coroutine

from rich.console import Console

from bench.peers.voice import Voice, publishing
from bench.peers.workload import Measured, System, measure
from bench.probe.stack import Stack
from bench.report.figures import Report
from protocol.lite.messages import SAMPLE_RATE

NAME = "model of batching"
FPS = 25
BATCH_FRAMES = 16
CHUNK_S, CHUNK_TIMEOUT_S = 0.020, 0.010
CONTEXT_CHUNKS = 10
# With this many frames queued for playing the next batch waits for this share of them.
FULL_FRAMES, FULL_WAIT_SHARE = 5, 0.8

_CHUNK_BYTES = round(2 * SAMPLE_RATE * CHUNK_S)
_BATCH_CHUNKS = round(BATCH_FRAMES / FPS / CHUNK_S)
_SETTLE_S = 2.0
_MAX_START_S = 1.5
_MAX_TAIL_S = 1.9


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--turns",
        type=int,
        default=10,
        help="utterances, each interrupted (default: %(default)s)",
    )


class Batching(Voice):
    """Audio track that plays the audio sent to it, batch by batch."""

    def __init__(self) -> None:
        super().__init__()
        self._inbox = b""
        self._context = bytes(CONTEXT_CHUNKS * _CHUNK_BYTES)

    async def say(self, pcm: bytes) -> float:
        self._inbox += pcm
        return time.monotonic()

    async def interrupt(self) -> float:
        self._inbox = b""
        return time.monotonic()

    def loops(self) -> list[Coroutine[None, None, None]]:
        return [*super().loops(), self._take_batches()]

    async def _take_batches(self) -> None:
        """Take batch after batch, of speech or of silence."""
        while True:
            chunks = [await self._chunk() for _ in range(_BATCH_CHUNKS)]
            buffered_s = self.buffered_s
            batch = self._context + b"".join(chunks)
            self._context = batch[-CONTEXT_CHUNKS * _CHUNK_BYTES :]
            self.append(batch[: -CONTEXT_CHUNKS * _CHUNK_BYTES])
            is_full = buffered_s * FPS >= FULL_FRAMES
            await asyncio.sleep(FULL_WAIT_SHARE * buffered_s if is_full else 0)

    async def _chunk(self) -> bytes:
        if not self._inbox:
            await asyncio.sleep(CHUNK_TIMEOUT_S)
        chunk, self._inbox = self._inbox[:_CHUNK_BYTES], self._inbox[_CHUNK_BYTES:]
        return chunk.ljust(_CHUNK_BYTES, b"\0")


def system(stack: Stack) -> System:
    return System(
        NAME,
        lambda: publishing(Batching(), stack, _SETTLE_S),
        max_start_s=_MAX_START_S,
        max_tail_s=_MAX_TAIL_S,
    )


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"{NAME}: {args.turns} turns, each interrupted")
    batch_ms, context_ms = 1000 * BATCH_FRAMES // FPS, 20 * CONTEXT_CHUNKS
    report = Report(NAME, {"batch_ms": batch_ms, "context_ms": context_ms})
    measured = Measured()
    asyncio.run(measure(system(stack), measured, args.turns, 0, seed=3))
    measured.add_to(report, NAME)
    return [report]
