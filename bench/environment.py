"""
Virtual environments for programs that pin an SDK of their own, kept in the user cache.

    python -m bench.environment clients tests/clients/requirements.lock
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tools.caches import cache_folder

_SHOWN = ("Collecting", "Installing", "Successfully")  # lines of pip that are printed


class Unavailable(Exception):
    """An environment could not be made; the text names the step that failed."""


def cached(name: str, requirements: Path, log: Callable[[str], None]) -> Path:
    """Return `interpreter` of an environment in this user's cache."""
    return interpreter(cache_folder() / name, requirements, log)


def find(name: str, requirements: Path) -> Path | None:
    """Return the interpreter of an environment in the cache; None if it is not made."""
    folder = cache_folder() / name
    return _python(folder) if _is_complete(folder, requirements) else None


def interpreter(folder: Path, requirements: Path, log: Callable[[str], None]) -> Path:
    """
    Return a Python that has the requirements installed; make its environment if needed.

    Raise `Unavailable` if that fails.
    """
    if _is_complete(folder, requirements):
        return _python(folder)
    log(f"making an environment for {requirements} in {folder}, once: 400 to 800 MB")
    venv = [sys.executable, "-m", "venv", "--clear", str(folder)]
    if subprocess.run(venv, check=False).returncode:
        raise Unavailable(f"python -m venv failed to make {folder}; see its output")
    command = [str(_python(folder)), "-m", "pip", "install", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "--requirement", str(requirements)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            if line.startswith(_SHOWN):
                log("  " + " ".join(line.split()[:2]))
    if pip.returncode:
        raise Unavailable(f"pip failed to install {requirements}; see its output")
    (folder / requirements.name).write_text(requirements.read_text())
    return _python(folder)


def _is_complete(folder: Path, requirements: Path) -> bool:
    """Return whether the environment was made from exactly these versions."""
    copy = folder / requirements.name
    return copy.exists() and _versions(copy) == _versions(requirements)


def _versions(requirements: Path) -> list[str]:
    """Return the lines of a lock file without their hashes."""
    lines = requirements.read_text().splitlines()
    pinned = [line for line in lines if not line.lstrip().startswith("--hash=")]
    return [line.removesuffix("\\").rstrip() for line in pinned]


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def main() -> None:
    name, requirements = sys.argv[1:]
    try:
        print(cached(name, Path(requirements), lambda line: print(line, flush=True)))
    except Unavailable as failed:
        sys.exit(f"{name}: {failed}")


if __name__ == "__main__":
    main()
