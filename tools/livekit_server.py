"""Find or build the binary of the LiveKit server, and print its path."""

import sys

from lite_gateway.devserver.build import LiveKitUnavailable, find_or_build
from tools.caches import cache_folder


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
    try:
        binary = find_or_build(ProgressLines(), cache_dir=cache_folder())
        sys.stdout.write(f"{binary}\n")
    except LiveKitUnavailable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
