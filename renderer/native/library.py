"""Loader of the native build for this machine's processor."""

import ctypes
import logging
import platform
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

SOURCES = Path(__file__).parent
BUILDS = SOURCES / "builds"

log = logging.getLogger(__name__)

_SYSTEMS = {"linux": "linux", "darwin": "macos"}
_PROCESSORS = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
}


class NativeUnavailable(Exception):
    """Reason why no native build can be used, as a phrase for the log."""


def build_names(system: str, machine: str) -> tuple[str, ...]:
    """
    Return the names of the builds for a machine, from the plainest instruction set up.

    ``system`` is named as by ``sys.platform``, ``machine`` as by ``platform.machine``.
    The result is empty if there are no builds for such machines.
    """
    known = _SYSTEMS.get(system), _PROCESSORS.get(machine.lower())
    match known:
        case "linux", "x86_64":
            return "linux-x86_64-v2", "linux-x86_64-v3"
        case ("linux" | "macos") as name, "aarch64":
            return (f"{name}-aarch64",)
        case _:
            return ()


def source_hash(folder: Path = SOURCES) -> str:
    """Return the hash that a build of the C sources in ``folder`` carries."""
    digest = sha256()
    for path in sorted((*folder.glob("*.c"), *folder.glob("*.h"))):
        text = path.read_bytes()
        digest.update(f"{path.name} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:16]


def open_build(name: str, folder: Path | None = None) -> ctypes.CDLL:
    """
    Return the build ``name`` of the sources that are here, by default from ``BUILDS``.

    Raises ``NativeUnavailable`` if it is missing, cannot be loaded, or was built from
    other sources. The processor must have the build's instruction set.
    """
    path = (folder or BUILDS) / f"{name}.so"
    if not path.is_file():
        raise NativeUnavailable(f"{name} is not built")
    try:
        library = ctypes.CDLL(str(path))
        identity = library.native_build
    except (OSError, AttributeError) as error:
        raise NativeUnavailable(f"{name} cannot be loaded: {error}") from error
    identity.restype = ctypes.c_char_p
    if identity().decode().partition(":")[0] != source_hash():
        raise NativeUnavailable(f"{name} was built from other sources")
    return library


def open_best(
    folder: Path | None = None,
    system: str = sys.platform,
    machine: str = platform.machine(),
) -> ctypes.CDLL:
    """
    Return the build that uses most of this processor's instruction set.

    Raises ``NativeUnavailable`` if there is none, or if the best one is out of date.
    """
    names = build_names(system, machine)
    if not names:
        raise NativeUnavailable(f"none is made for {system} on {machine}")
    plain = open_build(names[0], folder)
    if len(names) == 1:
        return plain
    level = int(plain.native_cpu_level())
    if level < 2:
        raise NativeUnavailable("this processor lacks SSE4.2")
    return open_build(names[1], folder) if level >= 3 else plain


@cache
def load() -> ctypes.CDLL | None:
    """
    Return the native build for this machine, or None, with one line in the log.

    The build is opened once. Callers declare the argument types of the functions that
    they call.
    """
    try:
        return open_best()
    except NativeUnavailable as why:
        log.warning(
            "no native build for this machine (%s): rendering with torch, several times"
            " slower. Run `make setup` in the checkout, or install the wheel for this"
            " platform",
            why,
        )
        return None


def library_for(device: str, native: bool | None) -> ctypes.CDLL | None:
    """
    Return the native build for work on a device, or None if torch is to do it.

    ``device`` is torch's name, such as ``cpu``. ``native`` False asks for torch, and
    None for native code on a CPU that has a build. Raises ``ValueError`` if it is True
    and native code cannot be used.
    """
    possible = device == "cpu" and native is not False
    library = load() if possible else None
    if native and library is None:
        raise ValueError(
            f"native code cannot be used on {device}: it needs a CPU, and a build "
            "(`make setup`). Leave native out to use torch where it cannot"
        )
    return library
