"""
Install the C compiler that builds the native code, and print its path.

It is Zig's clang, a wheel from PyPI that requirements-native.lock pins. It lies in the
user's cache, shared by all checkouts. Nothing needs it after the build: it may be
removed, and is installed again when there is something to build.
"""

import os
import sys
import tempfile
from pathlib import Path

from tools.caches import cache_folder
from tools.pip_runner import PipFailed, run_pip

LOCK = Path(__file__).parents[1] / "requirements-native.lock"
INSTALL_S = 1200


class CompilerUnavailable(Exception):
    """Reason why the compiler cannot be installed."""


def compiler() -> Path:
    """
    Return the path of Zig; install it if it is not there.

    Raises ``CompilerUnavailable``.
    """
    version = LOCK.read_text().partition("==")[2].split()[0]
    folder = cache_folder() / f"ziglang-{version}"
    zig = folder / "ziglang" / "zig"
    if zig.exists():
        return zig
    sys.stderr.write(f"installing the C compiler (ziglang {version}) into {folder}\n")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".zig.") as new:
            target = f"{new}/packages"
            run_pip("install", "--target", target, "-r", str(LOCK), timeout_s=INSTALL_S)
            os.rename(target, folder)
    except (OSError, PipFailed) as error:
        if not zig.exists():  # no other process was quicker
            raise CompilerUnavailable(
                f"ziglang cannot be installed: {error}"
            ) from error
    return zig


def main() -> None:
    try:
        sys.stdout.write(f"{compiler()}\n")
    except CompilerUnavailable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
