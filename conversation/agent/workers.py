"""
Workers of the agent process: forks of one process that has imported everything.

The imports take seconds and the fork a moment, so a worker that dies is replaced
before its users have dialled again. The process that forks has no other thread and no
event loop; it shares its memory with the worker.
"""

import gc
import logging
import os
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

FIRST_RESTART_S, MAX_RESTART_S = 1.0, 30.0  # doubled by each failure in a row
HEALTHY_S = 60.0  # after so long, a failure counts as the first again
_POLL_S = 0.05


def run_workers(
    work: Callable[[], int],
    parent: int,
    *,
    first_restart_s: float = FIRST_RESTART_S,
    healthy_s: float = HEALTHY_S,
) -> int:
    """
    Fork a worker that returns ``work()`` as its status, and another one when it fails.

    Return 0 when a worker has ended with 0, and 1 when ``parent``, the parent of this
    process, is gone; the worker then ends by itself.
    """
    gc.collect()
    gc.freeze()  # the collector writes to what it visits, and so would copy it
    failures = 0
    while True:
        started_s = time.monotonic()
        status = _wait(_fork(work), parent)
        if not status:
            return 0
        if os.getppid() != parent:
            return 1
        failures = 1 if time.monotonic() - started_s > healthy_s else failures + 1
        pause_s = min(first_restart_s * 2.0 ** min(failures - 1, 20), MAX_RESTART_S)
        log.error(
            "the worker ended (status %d) and is started again in %.0f s",
            *(status, pause_s),
        )
        time.sleep(pause_s)


def _fork(work: Callable[[], int]) -> int:
    """Return the id of a new worker; in the worker itself, never return."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        status = work()
    except BaseException:  # boundary: a worker must not go on as its parent
        log.exception("the worker failed")
    finally:
        logging.shutdown()
        os._exit(status)


def _wait(pid: int, parent: int) -> int:
    """Wait until a worker ends, or for a moment if the parent process is gone."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if os.getppid() != parent:
            return 1
        time.sleep(_POLL_S)
