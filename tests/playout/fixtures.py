"""Playout between a fake renderer, a room in memory and a recording listener."""

import asyncio
import contextlib

from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.playout.trace import Event
from protocol.lite.messages import SAMPLE_RATE
from tests.fakes import FakeRenderer, MemoryRoom, RecordingListener, tone

FRAME_SAMPLES = SAMPLE_RATE // 25


class PlayoutFixture:
    """Playout between fakes, in virtual time."""

    def __init__(self, takes_s: float = 0.006, **options) -> None:
        self.loop = asyncio.get_running_loop()
        self.room = MemoryRoom()
        self.listener = RecordingListener()
        self.renderer = FakeRenderer(takes_s)
        self.metrics = Metrics()
        self.playout = Playout(
            self.renderer.render,
            self.room,
            self.metrics,
            now=self.loop.time,
            **options,
        )

    @contextlib.asynccontextmanager
    async def running(self):
        """Run the playout while the context is open."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.playout.run(self.listener))
            yield self
            task.cancel()

    async def send_paced(
        self, turn: int, pcm: bytes, fragment_s: float = 0.020
    ) -> None:
        """Append ``pcm`` in real time, in fragments of ``fragment_s``."""
        size = 2 * round(fragment_s * SAMPLE_RATE)
        for start in range(0, len(pcm), size):
            self.playout.append(turn, pcm[start : start + size])
            await asyncio.sleep(fragment_s)

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@contextlib.asynccontextmanager
async def running_playout(**options):
    async with PlayoutFixture(**options).running() as fixture:
        yield fixture


async def trace_turns(
    script: list[tuple[int, int, float, bool]], **options
) -> list[Event]:
    """
    Play turns and return the trace of their playout.

    Each turn is its samples, the samples of each message, the wait after each message
    in seconds, and whether the turn is cut half-way.
    """
    events: list[Event] = []
    async with running_playout(trace=events.append, **options) as s:
        for turn, (samples, size, wait_s, cut) in enumerate(script, 1):
            pcm = tone(samples / SAMPLE_RATE)
            for start in range(0, len(pcm), 2 * size):
                s.playout.append(turn, pcm[start : start + 2 * size])
                await asyncio.sleep(wait_s)
            s.playout.seal(turn)
            await asyncio.sleep(samples / SAMPLE_RATE / 2 if cut else 1.5)
            s.playout.flush(turn)
            await asyncio.sleep(0.1)
    return events
