"""Find or build the binary of the LiveKit server, and print its path."""

import os
import sys
from pathlib import Path

from lite_gateway.devserver.build import LiveKitUnavailable, find_or_build


class ProgressLines:
    """Progress printed as one line per tenth, which also suits a log file."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, text: str, fraction: float | None) -> None:
        percent = "" if fraction is None else f" {int(fraction * 10) * 10} %"
        if text + percent != self._last:
            self._last = text + percent
            sys.stderr.write(f"{self._last}\n")


def main() -> None:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    try:
        binary = find_or_build(ProgressLines(), cache_dir=Path(caches) / "lite-gateway")
        sys.stdout.write(f"{binary}\n")
    except LiveKitUnavailable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
