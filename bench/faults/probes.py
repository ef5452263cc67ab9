"""Probes of the soak with faults: answers of the gateway, and its process."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import numpy as np
import psutil

from bench.probe.process import memory_mb, open_files, thread_count

PATHS = ("/health", "/ready")
PERIOD_S = 1.0
READING_S = 3.0  # between two readings of the process
LATE_S = 2.0  # for an answer
MAX_LATE_SHARE = 0.01  # of the answers: other work may starve the machine
MAX_S = 10.0  # for any answer
TIMEOUT_S = 60.0
MAX_GROWTH = 1.05  # of the median of memory from the second third to the last
_EXPECTED = {"/health": (200,), "/ready": (200, 503)}


@dataclass(slots=True)
class Probes:
    """Times of the answers, and readings of memory (MB), threads and open files."""

    fault: Callable[[], str]
    answered_s: dict[str, list[float]] = field(
        default_factory=lambda: {path: [] for path in PATHS}
    )
    not_ready: int = 0
    faults: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    threads: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)

    def ask(self, url: str) -> None:
        """Ask each path once, on a new connection."""
        parts = urlsplit(url)
        for path in PATHS:
            since_s = time.monotonic()
            connection = HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
            try:
                connection.request("GET", path)
                status = connection.getresponse().status
            except (OSError, HTTPException) as error:
                self.faults.append(f"{path} failed during {self.fault()}: {error!r}")
                continue
            finally:
                connection.close()
            took_s = time.monotonic() - since_s
            self.answered_s[path].append(took_s)
            if status not in _EXPECTED[path]:
                self.faults.append(f"{path} answered {status} during {self.fault()}")
            if took_s > MAX_S:
                self.faults.append(f"{path} took {took_s:.1f} s during {self.fault()}")
            self.not_ready += status == 503

    def read(self, pid: int) -> None:
        self.memory.append(memory_mb(pid))
        self.threads.append(thread_count(pid))
        self.files.append(open_files(pid))

    def run(self, url: str, pid: int, stopping: threading.Event) -> None:
        """Ask and read until ``stopping``, in a thread of its own."""
        read_s = 0.0
        while not stopping.wait(PERIOD_S):
            try:
                if time.monotonic() - read_s > READING_S:
                    read_s = time.monotonic()
                    self.read(pid)
                self.ask(url)
            except psutil.Error as error:
                self.faults.append(f"the gateway's process: {error}")
                return

    def late_share(self) -> float:
        """Return the share of answers that took longer than `LATE_S`."""
        answers = [took_s for times in self.answered_s.values() for took_s in times]
        return sum(took_s > LATE_S for took_s in answers) / max(1, len(answers))

    def growth(self) -> float:
        """Return the last third's median of memory over that of the second third."""
        third = len(self.memory) // 3
        if not third:
            return 1.0
        before, after = self.memory[third : 2 * third], self.memory[2 * third :]
        return float(np.median(after) / np.median(before))
