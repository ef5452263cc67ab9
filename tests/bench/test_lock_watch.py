"""Tests of the watch that tells work under Python's lock from waits for a processor."""

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from bench.probe.lock_watch import Idle, IdleTimes, Why, find_lock, watched
from bench.probe.loop_monitor import PERIOD_S, LoopMonitor, Wake, with_idle
from bench.probe.slow_machine import slower

BLOCK_S = 0.040
SLOWER = 4

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="watches on Linux, as root"
)


def spin(seconds: float) -> None:
    """Use the processor for so long."""
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass


def compute() -> float:
    """Hold Python's lock for one long call; return the processor time that it took."""
    started_s = time.thread_time()
    sum(range(2_000_000))
    return time.thread_time() - started_s


def sleep() -> float:
    """Hold Python's lock asleep; return for how long."""
    # PyDLL, unlike CDLL, keeps the lock while the function runs.
    ctypes.PyDLL(None).usleep(int(1e6 * BLOCK_S))
    return BLOCK_S


@pytest.fixture
def loop_first():
    """Let this thread, the loop's, never wait for a processor, and ask for the lock."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(2))
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    sys.setswitchinterval(interval)


def longest_block(hold: Callable[[], float], folder) -> tuple[Wake, float]:
    """Return the wake of the longest block by a thread with the lock, and how long."""

    def work() -> float:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # of this thread
        return hold()

    async def main() -> tuple[list[Wake], float]:
        monitor = LoopMonitor()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(monitor.run())
            await asyncio.sleep(0.02)
            length_s = await asyncio.to_thread(work)
            await asyncio.sleep(0.05)
            task.cancel()
        return list(monitor.wakes), length_s

    with watched(os.getpid(), find_lock(), folder) as idle:
        wakes, length_s = asyncio.run(main())
    # The thread may have waited longer for a processor before it called.
    return max(with_idle(wakes, idle), key=lambda it: it.blocked_s), length_s


@pytest.mark.usefixtures("loop_first")
@pytest.mark.parametrize("hold", [compute, sleep])
@pytest.mark.parametrize("factor", [1, SLOWER], ids=["free", "taken"])
def test_what_is_done_under_the_lock_is_a_block_and_a_wait_for_a_processor_is_none(
    hold, factor, tmp_path
):
    with slower(factor) if factor > 1 else contextlib.nullcontext():
        wake, length_s = longest_block(hold, tmp_path)
    assert wake.late_s >= 0.9 * length_s - PERIOD_S
    assert wake.blocked_s >= 0.8 * length_s - PERIOD_S
    if hold is compute and factor > 1:
        # Of the time, other processes have had all but a SLOWER-th.
        assert wake.blocked_s <= 0.6 * wake.late_s


def test_what_a_stop_was_charged_is_no_work():
    idle = [Idle(Why.STOP, 1.0, 1.5), Idle(Why.CHARGED, 1.25, 1.5)]
    wakes = [Wake(2.0, 1.0, 0.125, 0.625), Wake(4.0, 1.0, 0.125, 0.625)]
    stopped, free = with_idle(wakes, idle)
    assert (stopped.worked_s, stopped.blocked_s) == (0.375, 0.375)
    assert (free.worked_s, free.blocked_s) == (0.625, 0.875)


def test_a_watcher_that_stood_still_tells_what_the_loop_was_charged(tmp_path):
    """A watcher that is stopped sees what it would see if the host stopped it."""
    cores = os.sched_getaffinity(0)
    with watched(os.getpid(), find_lock(), tmp_path) as idle:
        watchers = psutil.Process().children()
        os.sched_setaffinity(0, {min(cores)})
        try:
            spin(0.01)
            for it in watchers:
                it.suspend()
            stopped_s = time.monotonic()
            spin(BLOCK_S)
            for it in watchers:
                it.resume()
            resumed_s = time.monotonic()
            spin(0.01)
        finally:
            os.sched_setaffinity(0, cores)
    charged_s = IdleTimes(idle).charged_s(stopped_s, resumed_s)
    assert 0.9 * BLOCK_S < charged_s < 1.5 * BLOCK_S


def test_times_that_watchers_share_count_once():
    times = IdleTimes(
        [
            Idle(Why.STOP, 1.0, 1.5),
            Idle(Why.LOCK, 1.25, 2.0),
            Idle(Why.OWN, 1.75, 2.25),
            Idle(Why.OWN, 9.0, 9.5),
        ]
    )
    assert times.within(1.0, 3.0) == (0.5, 0.25)
    assert times.within(1.375, 1.625) == (0.25, 0.0)
    assert times.within(3.0, 8.0) == (0.0, 0.0)
