"""Memory that this process may use: the limit of its control group, or the machine."""

import os
from pathlib import Path

from lite_gateway.telemetry.cgroups import CGROUPS, OWN_CGROUP, limit_files, read


def memory_limit(cgroups: Path = CGROUPS, own_cgroup: Path = OWN_CGROUP) -> int:
    """Return the smallest limit in bytes of this process's control groups."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in limit_files("memory.max", cgroups=cgroups, own=own_cgroup):
        text = read(file).strip()
        if text.isdigit():  # "max" is no limit
            limits.append(int(text))
    return min(limits)
