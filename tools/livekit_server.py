"""Have the LiveKit server's binary at hand; print where it is."""

import os
import sys
from pathlib import Path

from lite_gateway.devserver.build import LiveKitUnavailable, find_or_build


class Printed:
    """Progress as lines, one per tenth: it reads well in a log too."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, text: str, fraction: float | None) -> None:
        share = "" if fraction is None else f" {int(fraction * 10) * 10} %"
        if text + share != self._last:
            self._last = text + share
            sys.stderr.write(f"{self._last}\n")


def main() -> None:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    try:
        binary = find_or_build(Printed(), cache_dir=Path(caches) / "lite-gateway")
        sys.stdout.write(f"{binary}\n")
    except LiveKitUnavailable as failed:
        sys.exit(str(failed))


if __name__ == "__main__":
    main()
