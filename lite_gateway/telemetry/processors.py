"""Processor cores that this process may use: affinity and quota of control groups."""

import contextlib
import os
from pathlib import Path

from lite_gateway.telemetry.cgroups import CGROUPS, OWN_CGROUP, limit_files, read


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
