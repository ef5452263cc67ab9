"""
Environments for programs that pin an SDK of their own, made once in the user's cache.

    python -m bench.environment clients tests/clients/requirements.lock
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lite_gateway.cli.state import cache_dir

_SHOWN = ("Collecting", "Installing", "Successfully")


class Unavailable(Exception):
    """It could not be made; the text says at which step."""


def cached(name: str, requirements: Path, say: Callable[[str], None]) -> Path:
    """`interpreter`, where this user keeps such things."""
    return interpreter(cache_dir(dict(os.environ)) / name, requirements, say)


def found(name: str, requirements: Path) -> Path | None:
    """The interpreter, if its environment is made already."""
    folder = cache_dir(dict(os.environ)) / name
    return _python(folder) if _is_made(folder, requirements) else None


def interpreter(folder: Path, requirements: Path, say: Callable[[str], None]) -> Path:
    """Python with those requirements installed, made if need be; `Unavailable`."""
    if _is_made(folder, requirements):
        return _python(folder)
    say(f"making an environment for {requirements} in {folder}, once: 400 to 800 MB")
    venv = [sys.executable, "-m", "venv", "--clear", str(folder)]
    if subprocess.run(venv, check=False).returncode:
        raise Unavailable(f"python -m venv could not make {folder}")
    command = [str(_python(folder)), "-m", "pip", "install", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "--requirement", str(requirements)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            if line.startswith(_SHOWN):
                say("  " + " ".join(line.split()[:2]))
    if pip.returncode:
        raise Unavailable(f"pip could not install {requirements}")
    (folder / requirements.name).write_text(requirements.read_text())
    return _python(folder)


def _is_made(folder: Path, requirements: Path) -> bool:
    made = folder / requirements.name
    return made.exists() and made.read_text() == requirements.read_text()


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
