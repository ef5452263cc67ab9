"""
Gateway process that also records how late its event loop wakes for a timer.

Usage: python -m bench.probe.loop_monitor OUTPUT dev --port PORT; settings are LITE_*
variables. It serves as ``lite-gateway dev`` does against a LiveKit server that runs.

A timer of 1 ms runs on the event loop. Where the loop is blocked for B ms, the timer
wakes late by B - 1 to B ms. It also wakes late where the system gives the loop's thread
no processor, or where another thread holds Python's lock: sessions wait in each case.
What the thread waited for a processor and what it worked between two wakes tell them
apart; `bench.probe.lock_watch` tells when nobody worked under the lock. The metric
lite_loop_lag_seconds cannot replace it: its timer of 100 ms meets a block of 5 ms only
one time in twenty, and then in part.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import uvloop

from bench.probe.lock_watch import Idle, IdleTimes, Lock, find_lock
from bench.probe.process import processor_wait
from lite_gateway.cli.serve import with_dev_keys
from lite_gateway.cli.state import open_store
from lite_gateway.config import Config
from lite_gateway.listening import listening
from lite_gateway.server import run

PERIOD_S = 0.001
WRITE_PERIOD_S = 0.5  # a reader must wait so long for the newest wakes
_ROW = np.dtype(
    [("at_s", "<f8"), ("late_s", "<f8"), ("waited_s", "<f8"), ("work_s", "<f8")]
)


@dataclass(frozen=True, slots=True)
class Wake:
    """One wake of the timer."""

    at_s: float  # time.monotonic
    late_s: float
    # Of the loop's thread since the wake before: time ready without a processor, and
    # time on one.
    waited_s: float
    work_s: float
    # While it was late: time in which it waited for Python's lock and no thread worked
    # under it, and further time in which the host had stopped its processor.
    lock_s: float = 0.0
    stopped_s: float = 0.0
    charged_s: float = 0.0  # stops by the host that are in ``work_s``

    @property
    def worked_s(self) -> float:
        """Return the time on a processor that was not stopped."""
        return max(0.0, self.work_s - self.charged_s)

    @property
    def blocked_s(self) -> float:
        """Return the lateness without waits for a processor, but with all own work."""
        waits_s = self.waited_s + self.lock_s + self.stopped_s
        return max(min(self.worked_s, self.late_s), self.late_s - waits_s)


class LoopMonitor:
    """Timer on the event loop that keeps its wakes."""

    def __init__(self) -> None:
        # The loop appends and the writer pops, without a lock.
        self.wakes: deque[Wake] = deque()

    async def run(self) -> None:
        """Record until cancelled."""
        with processor_wait() as waited_s:
            waited, worked = waited_s(), time.thread_time()
            while True:
                started_s, before = time.monotonic(), (waited, worked)
                await asyncio.sleep(PERIOD_S)
                at_s, waited, worked = time.monotonic(), waited_s(), time.thread_time()
                late_s = max(0.0, at_s - started_s - PERIOD_S)
                used = (waited - before[0], worked - before[1])
                self.wakes.append(Wake(at_s, late_s, *used))


@contextlib.contextmanager
def written_to(path: Path, monitor: LoopMonitor) -> Iterator[None]:
    """Write the wakes to a file, twice a second and at the end, in a thread."""
    stop = threading.Event()

    def write() -> None:
        rows = [monitor.wakes.popleft() for _ in range(len(monitor.wakes))]
        values = [(it.at_s, it.late_s, it.waited_s, it.work_s) for it in rows]
        table = np.array(values, _ROW)
        with path.open("ab") as file:
            file.write(table.tobytes())

    def work() -> None:
        while not stop.wait(WRITE_PERIOD_S):
            write()
        write()

    thread = threading.Thread(target=work, name="wakes")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def read(path: Path, idle: Sequence[Idle] = ()) -> list[Wake]:
    """
    Return the wakes of a file, oldest first; a row that is cut off is left out.

    ``idle``: what `bench.probe.lock_watch` saw meanwhile.
    """
    data = path.read_bytes()
    whole = len(data) - len(data) % _ROW.itemsize
    wakes = [Wake(*map(float, row)) for row in np.frombuffer(data[:whole], _ROW)]
    return with_idle(wakes, idle)


def with_idle(wakes: Iterable[Wake], idle: Sequence[Idle]) -> list[Wake]:
    """Tell wakes the times in which nothing could run that the loop waited for."""
    times = IdleTimes(idle)
    told = []
    for wake in wakes:
        due_s = wake.at_s - wake.late_s
        lock_s, stopped_s = times.within(due_s, wake.at_s)
        charged_s = times.charged_s(due_s - PERIOD_S, wake.at_s)
        told.append(
            replace(wake, lock_s=lock_s, stopped_s=stopped_s, charged_s=charged_s)
        )
    return told


def _lock_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def read_lock(path: Path) -> Lock | None:
    """Return the lock of the process whose wakes are in a file, if it was found."""
    words = _lock_file(path).read_text().split()
    return Lock(*map(int, words)) if words else None


def write_lock(path: Path) -> None:
    """Tell where Python's lock of this process lies."""
    _lock_file(path).write_text(" ".join(map(str, find_lock() or ())))


async def serve(config: Config, path: Path) -> None:
    """Run the gateway with these settings; write the wakes of its loop to a file."""
    write_lock(path)
    monitor = LoopMonitor()
    config, demo_key = with_dev_keys(config)
    with listening(config) as server_socket, written_to(path, monitor):
        store = open_store(config, dict(os.environ))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(monitor.run(), name="loop monitor")
            await run(config, server_socket, store, demo_key=demo_key)
            task.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.probe.loop_monitor")
    parser.add_argument("output", type=Path)
    parser.add_argument("mode", choices=["dev"])
    parser.add_argument("--port", required=True)
    args = parser.parse_args()
    env = {**os.environ, "LITE_PORT": args.port}
    uvloop.run(serve(Config.from_env(env), args.output))
    sys.exit(0)


if __name__ == "__main__":
    main()
