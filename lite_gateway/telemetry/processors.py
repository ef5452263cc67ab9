"""Processor cores that this process may use, and how fast one is."""

import contextlib
import os
import time
from pathlib import Path

from lite_gateway.telemetry.cgroups import CGROUPS, OWN_CGROUP, limit_files, read

# Processor time of `_work` on a core of speed 1: an AMD EPYC with Python 3.11, on which
# `mira` takes 9 ms a frame with torch.
_REFERENCE_S = 0.00052
_TRIES = 5


def core_speed() -> float:
    """
    Return how fast a core runs Python, in units of the core described above.

    It takes some 3 ms. The best of several tries counts: other programs can only make
    the work slower.
    """
    times_s = []
    for _ in range(_TRIES):
        started_s = time.thread_time()
        _work()
        times_s.append(time.thread_time() - started_s)
    return _REFERENCE_S / max(min(times_s), 1e-6)


def _work() -> int:
    """Do a fixed piece of work with numbers, bytes and a dict."""
    total, seen = 0, dict[int, int]()
    for number in range(5000):
        seen[number & 63] = total
        total = (total + seen.get(number & 31, 0) + len(b"%d" % number)) & 0xFFFF
    return total


def usable_cores(cgroups: Path = CGROUPS, own_cgroup: Path = OWN_CGROUP) -> float:
    """
    Return the processor cores that this process may use at the same time.

    A container may have a part of a core: Docker's ``--cpus 1.5`` is a quota.
    """
    cores = [float(os.cpu_count() or 1)]
    with contextlib.suppress(AttributeError):  # Linux only
        cores.append(len(os.sched_getaffinity(0)))
    for file in limit_files("cpu.max", cgroups=cgroups, own=own_cgroup):
        cores += _quota(*read(file).split())
    for file in limit_files("cpu.cfs_quota_us", "cpu", cgroups, own_cgroup):
        cores += _quota(read(file), read(file.with_name("cpu.cfs_period_us")))
    return min(cores)


def _quota(quota_us: str = "", period_us: str = "") -> list[float]:
    """Return the cores of a quota; none for "max", -1 or a file that is not there."""
    try:
        cores = int(quota_us) / int(period_us)
    except (ValueError, ZeroDivisionError):
        return []
    return [cores] if cores > 0 else []
