"""Slower processors: time is taken from each of them, a little in every millisecond."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from lite_gateway.errors import GatewayError

MAX_FACTOR = 10.0  # the kernel leaves ordinary processes a twentieth of the time
_GIVEN_S = 0.001  # at a time: short beside a frame, so that all its parts are slowed
# It runs before all ordinary processes of its processor, and ends with its parent, so
# that nothing is left of a run that was killed.
_PROGRAM = """
import os, sys, time
processor, share, given_s = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
parent = os.getppid()
os.sched_setaffinity(0, {processor})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
print(flush=True)
started_s = time.monotonic() - time.thread_time() / share
while os.getppid() == parent:
    # What waking up and sleeping take counts as well.
    while time.thread_time() < share * (time.monotonic() - started_s):
        pass
    time.sleep(given_s)
"""


@contextlib.contextmanager
def slower(factor: float) -> Iterator[None]:
    """
    Make this process's processors ``factor`` times as slow for all within the block.

    Caches and memory stay as quick as they are. Raises `GatewayError` if this user may
    not start processes of real-time priority.
    """
    running: list[subprocess.Popen[bytes]] = []
    try:
        if factor > 1:
            for processor in sorted(os.sched_getaffinity(0)):
                running.append(_start(processor, 1 - 1 / factor))
        yield
    finally:
        for process in running:
            process.kill()
            process.communicate()


def _start(processor: int, share: float) -> subprocess.Popen[bytes]:
    """Start a process that takes ``share`` of the time of a processor, and wait."""
    numbers = map(str, (processor, share, _GIVEN_S))
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", _PROGRAM, *numbers],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    if not process.stdout.readline():
        _, errors = process.communicate()
        reason = errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise GatewayError(
            f"--slower: no process of real-time priority could be started ({reason}). "
            "Run the benchmark as root, or leave the option out."
        )
    return process
