"""
Build the C sources of the renderer, one shared library per target.

    python -m tools.build_native                 # the targets of this machine
    python -m tools.build_native --all           # every target, for a release

The compiler is Zig's clang, a wheel that requirements-native.lock pins. It is installed
into the user's cache on first use. It is needed to build, not to run, and can be
removed.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from renderer.native.library import BUILDS, SOURCES, build_names, source_hash

LOCK = Path(__file__).parents[1] / "requirements-native.lock"
INSTALL_S = 1200
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
    *("-Wall", "-Wextra", "-Werror", "-Wno-unused-command-line-argument"),
    *("-shared", "-s"),
)


class CompilerUnavailable(Exception):
    """Reason why the compiler cannot be installed."""


def cache_folder() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "lite-gateway"


def compiler() -> Path:
    """Return the path of Zig. Install it into the cache if it is not there."""
    version = LOCK.read_text().partition("==")[2].split()[0]
    folder = cache_folder() / f"ziglang-{version}"
    zig = folder / "ziglang" / "zig"
    if zig.exists():
        return zig
    sys.stderr.write(f"installing the C compiler (ziglang {version}) into {folder}\n")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="ziglang.") as new:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-cache-dir"]
        command += ["--only-binary", ":all:", "--require-hashes"]
        command += ["--target", f"{new}/packages", "-r", str(LOCK)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
        if done.returncode:
            reason = [*done.stderr.strip().splitlines(), "pip failed"][0]
            raise CompilerUnavailable(f"pip cannot install ziglang: {reason}")
        try:
            os.rename(f"{new}/packages", folder)
        except OSError:  # another process was quicker
            if not zig.exists():
                raise
    return zig


def identity(name: str) -> str:
    """Return what the build ``name`` must carry: hashes of sources and options."""
    recipe = repr((TARGETS[name], OPTIONS, LOCK.read_text()))
    return f"{source_hash()}:{sha256(recipe.encode()).hexdigest()[:16]}"


def is_current(name: str, folder: Path) -> bool:
    path = folder / f"{name}.so"
    return path.is_file() and identity(name).encode() in path.read_bytes()


def build(zig: Path, name: str, folder: Path) -> None:
    """Compile the target ``name``. A build that is in use is replaced, not changed."""
    target, processor = TARGETS[name]
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
        shutil.copymode(SOURCES / "library.py", new)
        os.replace(new, folder / f"{name}.so")


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
    names = [
        name for name in (TARGETS if args.all else own) if not is_current(name, BUILDS)
    ]
    if not names:
        return
    try:
        zig = compiler()
    except (CompilerUnavailable, OSError, subprocess.TimeoutExpired) as error:
        text = (
            f"native code is not built, drawing will be several times slower: {error}"
        )
        if args.required:
            sys.exit(text)
        sys.stderr.write(f"{text}\n")
        return
    BUILDS.mkdir(exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            list(pool.map(lambda name: build(zig, name, BUILDS), names))
        except subprocess.CalledProcessError as error:
            sys.exit(f"native code does not compile: see above ({error.returncode})")
    sys.stderr.write(f"built {', '.join(names)}\n")


if __name__ == "__main__":
    main()
