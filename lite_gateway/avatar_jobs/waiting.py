"""Time that a job's process waits for a processor that others use."""

import contextlib
import time
from pathlib import Path

_NS = 1e9  # of a second
_MOST = 0.5  # share of the time that a job may wait and still counts as working


def waited_s(pid: int) -> float:
    """
    Return for how long the first thread of a process was ready to run and did not.

    0 where the system does not say (Linux does).
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        # Time on a processor, time in the queue for one, both in ns, and turns.
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / _NS
    return 0.0


class JobClock:
    """Clock of one process that stands while the process waits for a processor."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began_s = self._read_s = time.monotonic()
        self._waited_s = 0.0
        self.own_s = 0.0  # since the beginning, without the time of waiting
        self.elapsed_s = 0.0  # with it
        self.is_waiting = False  # for most of the time since the last reading

    def read(self) -> None:
        """Bring the values up to date."""
        now_s, waited = time.monotonic(), waited_s(self._pid)
        passed_s, more_s = now_s - self._read_s, waited - self._waited_s
        if passed_s <= 0.0:
            return
        self.is_waiting = more_s > _MOST * passed_s
        self._read_s, self._waited_s = now_s, max(waited, self._waited_s)
        self.elapsed_s = now_s - self._began_s
        self.own_s = max(0.0, self.elapsed_s - self._waited_s)
