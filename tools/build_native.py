"""
Build the C sources of the renderer, one shared library per target.

    python -m tools.build_native                 # the targets of this machine
    python -m tools.build_native --all           # every target, for a release

A build that is up to date is left as it is.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from renderer.native.library import BUILDS, SOURCES, build_names, source_hash
from tools.caches import cache_folder
from tools.zig import LOCK, CompilerUnavailable, compiler

COMPILE_S = 600

# Name of the build -> Zig's target and processor. The oldest glibc is the one of the
# tag manylinux_2_17; macOS 11 is the first on this processor. torch has no wheels for
# macOS on Intel.
TARGETS = {
    "linux-x86_64-v2": ("x86_64-linux-gnu.2.17", "x86_64_v2"),
    "linux-x86_64-v3": ("x86_64-linux-gnu.2.17", "x86_64_v3"),
    "linux-aarch64": ("aarch64-linux-gnu.2.17", "baseline"),
    "macos-aarch64": ("aarch64-macos.11.0", "apple_m1"),
}
# Sums may be reordered, which vectorises them, and products and sums may be fused.
# NaN and infinity keep their meaning (no -ffinite-math-only): the checks for them guard
# memory accesses.
OPTIONS = (
    *("-std=c11", "-O3", "-fomit-frame-pointer", "-fvisibility=hidden"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"),
    *("-fassociative-math", "-freciprocal-math", "-ffp-contract=fast"),
    *("-Wall", "-Wextra", "-Werror", "-shared", "-s"),
)


def identity(name: str) -> str:
    """Return what the build ``name`` must carry: hashes of sources and options."""
    recipe = repr((TARGETS[name], OPTIONS, LOCK.read_text()))
    return f"{source_hash()}:{sha256(recipe.encode()).hexdigest()[:16]}"


def is_current(name: str, folder: Path = BUILDS) -> bool:
    """Return whether the build is there and of these sources, options and compiler."""
    path = folder / f"{name}.so"
    return path.is_file() and identity(name).encode() in path.read_bytes()


def build(zig: Path, name: str, folder: Path = BUILDS) -> None:
    """
    Compile the sources for the target ``name``.

    A file that running processes have open is replaced, not changed. Raises
    ``subprocess.CalledProcessError``, after the compiler has printed its errors.
    """
    target, processor = TARGETS[name]
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as work:
        new = Path(work) / "library.so"
        command = [str(zig), "cc", "-target", target, f"-mcpu={processor}", *OPTIONS]
        command += [f'-DNATIVE_BUILD="{identity(name)}"', "-o", str(new)]
        command += [path.name for path in sorted(SOURCES.glob("*.c"))] + ["-lm"]
        env = {
            **os.environ,
            "ZIG_GLOBAL_CACHE_DIR": str(cache_folder() / "zig"),
            "ZIG_LOCAL_CACHE_DIR": work,
        }
        subprocess.run(command, cwd=SOURCES, env=env, timeout=COMPILE_S, check=True)
        shutil.copymode(SOURCES / "native.h", new)
        os.replace(new, folder / f"{name}.so")


def build_all(names: Sequence[str], *, is_required: bool) -> None:
    """Build what is not up to date, in parallel, and say so in one line."""
    old = [name for name in names if not is_current(name)]
    if not old:
        return
    try:
        zig = compiler()
    except CompilerUnavailable as error:
        text = f"no native code, so drawing will be several times slower: {error}"
        if is_required:
            sys.exit(text)
        sys.stderr.write(f"{text}\n")
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            list(pool.map(lambda name: build(zig, name), old))
        except subprocess.CalledProcessError:
            sys.exit("the native code does not compile; the errors are above")
    sys.stderr.write(f"built {', '.join(old)}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the native code.")
    parser.add_argument(
        "--all", action="store_true", help="build every target, not only this machine's"
    )
    parser.add_argument(
        "--required",
        action="store_true",
        help="fail if the compiler cannot be installed, instead of saying so",
    )
    args = parser.parse_args()
    own = build_names(sys.platform, platform.machine())
    build_all([*TARGETS] if args.all else own, is_required=args.required)


if __name__ == "__main__":
    main()
