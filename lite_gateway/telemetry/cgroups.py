"""Control groups of this process: the files in which Linux keeps their limits."""

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def limit_files(
    name: str, controller: str = "", cgroups: Path = CGROUPS, own: Path = OWN_CGROUP
) -> list[Path]:
    """
    Return the files ``name`` from the process's own control group up to the root.

    ``controller`` is that of control groups v1, which have a folder for each; without
    one the control groups are those of v2. A container often sees the root only.
    """
    root = cgroups / controller
    folder = root / _own_path(own, controller).removeprefix("/")
    return [
        path / name for path in (folder, *folder.parents) if path.is_relative_to(root)
    ]


def _own_path(own: Path, controller: str) -> str:
    """Return the path of the control group; a line is ID:CONTROLLERS:PATH."""
    for line in read(own).splitlines():
        match line.split(":", 2):
            case [_, controllers, path] if controller in controllers.split(","):
                return path
    return ""


def read(path: Path) -> str:
    """Return the text of a file, empty if it cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
