"""
Run a Python module with native code that checks each of its memory accesses.

    python -m tools.sanitized MODULE [ARGUMENT ...]

GCC compiles the C sources with AddressSanitizer and UndefinedBehaviorSanitizer into
out/sanitized, and the loader of the renderer finds this build. The first fault ends the
process with a report and a status other than 0. It works for programs that start no
further Python processes, such as `pytest` without workers.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from renderer.native.library import SOURCES, build_names, source_hash

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "out" / "sanitized"
OPTIONS = (
    *("-std=c11", "-O1", "-g", "-fno-omit-frame-pointer", "-fPIC", "-shared"),
    "-fsanitize=address,undefined,float-cast-overflow,bounds-strict",
    "-fno-sanitize-recover=all",
)
# Python's interpreter has leaks by design, torch mixes allocators, and two builds of
# the same sources are open at a time.
ADDRESS_OPTIONS = "detect_leaks=0:alloc_dealloc_mismatch=0:detect_odr_violation=0"
UNDEFINED_OPTIONS = "print_stacktrace=1:halt_on_error=1"
RUN = """
import runpy, sys
from pathlib import Path
from renderer.native import library
library.BUILDS = Path(sys.argv.pop(1))
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def build(folder: Path = FOLDER, sources: Path = SOURCES) -> None:
    """
    Compile the sources under each name that the loader may choose here.

    A build of the same sources with the same options is left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content, built = f"{source_hash(sources)} {OPTIONS}", folder / "built"
    if built.exists() and built.read_text() == content:
        return
    built.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        new = Path(work) / "library.so"
        command = [
            "gcc",
            *OPTIONS,
            f'-DNATIVE_BUILD="{source_hash(sources)}:sanitized"',
        ]
        command += [path.name for path in sorted(sources.glob("*.c"))]
        subprocess.run([*command, "-o", str(new), "-lm"], cwd=sources, check=True)
        for name in build_names(sys.platform, platform.machine()):
            shutil.copy(new, Path(work) / "copy.so")
            os.replace(Path(work) / "copy.so", folder / f"{name}.so")
        (Path(work) / "built").write_text(content)
        os.replace(Path(work) / "built", built)


def environment() -> dict[str, str]:
    """
    Return the environment for a Python process that loads a sanitized library.

    The runtime of AddressSanitizer must be the first library of a process, and it must
    find that of C++ when it starts.
    """
    names = ("libasan.so", "libstdc++.so.6")
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(map(library_path, names)),
        "ASAN_OPTIONS": ADDRESS_OPTIONS,
        "UBSAN_OPTIONS": UNDEFINED_OPTIONS,
        # Each small object gets an allocation of its own, with guards around it.
        "PYTHONMALLOC": "malloc",
    }


def library_path(name: str) -> str:
    """Return the path of a library of GCC."""
    command = ["gcc", f"-print-file-name={name}"]
    return subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.strip()


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        build()
    except FileNotFoundError:
        sys.exit("gcc is missing: tools/gcc.sh --install installs it")
    except subprocess.CalledProcessError:
        sys.exit("the native code does not compile; the errors are above")
    command = [sys.executable, "-c", RUN, str(FOLDER), *sys.argv[1:]]
    os.execve(sys.executable, command, environment())


if __name__ == "__main__":
    main()
