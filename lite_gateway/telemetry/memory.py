"""Memory that this process may use: the limit of its control group, or the machine."""

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def memory_limit(cgroups: Path = _CGROUPS, own_cgroup: Path = _OWN_CGROUP) -> int:
    """Return the smallest limit in bytes of this process's control groups."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in _limit_files(cgroups, own_cgroup):
        text = _read(file).strip()
        if text.isdigit():  # "max" is no limit
            limits.append(int(text))
    return min(limits)


def _limit_files(cgroups: Path, own_cgroup: Path) -> list[Path]:
    """Return the files of control groups v2, from the process's own to the root."""
    lines = _read(own_cgroup).splitlines()
    own = next((line.removeprefix("0::/") for line in lines if line[:4] == "0::/"), "")
    folder = cgroups / own
    return [
        path / "memory.max"
        for path in (folder, *folder.parents)
        if path.is_relative_to(cgroups)
    ]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
