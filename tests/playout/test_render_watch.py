"""Watch of the render thread, in virtual time."""

import asyncio

from lite_gateway.errors import RenderFailed
from lite_gateway.metrics import Metrics
from lite_gateway.playout.render_watch import HOPELESS_S, PERIOD_S, RenderWatch
from lite_gateway.supervisor import END_PROCESS, Supervisor
from tests.virtual import run


class FakeBatcher:
    """State of a batcher; a probe succeeds when the driver is well again."""

    def __init__(self) -> None:
        self.stuck_since_s: float | None = None
        self.failing_s = 0.0
        self.well = False
        self.probes = 0

    @property
    def stuck_s(self) -> float:
        if self.stuck_since_s is None:
            return 0.0
        return asyncio.get_running_loop().time() - self.stuck_since_s

    async def probe(self) -> None:
        self.probes += 1
        if not self.well:
            raise RenderFailed("the frame could not be rendered")
        self.failing_s = 0.0


def watch_test(test):
    """Run a test with a supervised watch, in virtual time."""

    def wrapped() -> None:
        async def main() -> None:
            async with Supervisor(Metrics()).running() as supervisor:
                batcher = FakeBatcher()
                watch = RenderWatch(batcher, batcher.probe)
                supervisor.add("render watch", watch.run, END_PROCESS)
                await test(batcher, watch, supervisor)

        run(main())

    wrapped.__name__ = test.__name__
    return wrapped


@watch_test
async def test_a_frame_that_takes_a_minute_ends_the_process(batcher, watch, supervisor):
    watch.begin()
    batcher.stuck_since_s = asyncio.get_running_loop().time()
    await asyncio.sleep(HOPELESS_S - PERIOD_S)
    assert supervisor.failure is None
    await asyncio.sleep(3 * PERIOD_S)
    assert "a frame has taken 60 s" in supervisor.failure


@watch_test
async def test_a_pause_of_the_whole_process_is_no_frame_that_hangs(
    batcher, watch, supervisor
):
    watch.begin()
    loop = asyncio.get_running_loop()
    for _ in range(20):
        batcher.stuck_since_s = loop.time()
        loop.block(2 * HOPELESS_S)  # as SIGSTOP does
        await asyncio.sleep(PERIOD_S)
        batcher.stuck_since_s = None
        await asyncio.sleep(PERIOD_S)
    assert supervisor.failure is None


@watch_test
async def test_the_first_frames_may_take_long(batcher, watch, supervisor):
    batcher.stuck_since_s = asyncio.get_running_loop().time()
    await asyncio.sleep(10 * HOPELESS_S)
    batcher.stuck_since_s = None
    watch.begin()
    await asyncio.sleep(10 * HOPELESS_S)
    assert supervisor.failure is None
    assert batcher.probes == 0


@watch_test
async def test_frames_are_tried_while_they_fail_and_no_longer(
    batcher, watch, supervisor
):
    watch.begin()
    batcher.failing_s = 3.0
    await asyncio.sleep(3.5 * PERIOD_S)
    assert batcher.probes == 3
    batcher.well = True
    await asyncio.sleep(10 * PERIOD_S)
    assert batcher.probes == 4
    assert supervisor.failure is None
