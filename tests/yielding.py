"""
Pytest for tests without a deadline: ``python -m tests.yielding ARGUMENTS``.

It runs while nobody else wants the processor, so that it can run beside tests that
measure real time. A photo job does the same, and `tests/e2e/test_job_priority.py`
measures that no frame is late then. SIGUSR1 ends this: on a machine that is busy with
other work, it would take hours.
"""

import contextlib
import os
import signal
import sys

import psutil

from lite_gateway.priority import yield_to_others

NICENESS = 18  # not the lowest: tests see that a job lowers its own


def stop_yielding(*_: object) -> None:
    """Give all processes of this run the usual priority, where the system allows it."""
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        with contextlib.suppress(OSError, psutil.Error):
            for thread in process.threads():
                os.sched_setscheduler(thread.id, os.SCHED_OTHER, os.sched_param(0))
                os.setpriority(os.PRIO_PROCESS, thread.id, 0)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, stop_yielding)
    # With autogroups, Linux shares the processors between sessions first.
    with contextlib.suppress(PermissionError):  # it leads a group of processes already
        os.setsid()
    yield_to_others(NICENESS)
    import pytest

    sys.exit(pytest.main())
