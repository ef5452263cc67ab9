"""Remaining time of a stage, for its lines of progress."""

import time
from collections.abc import Callable


class Progress:
    """Work of a stage: how much there is, and how much is done since it began."""

    def __init__(
        self, total: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total, self._done = total, 0.0
        self._clock, self._began_s = clock, clock()

    def add(self, work: float) -> str:
        """Count ``work`` as done; return the remaining time as text.

        It is an estimate: the rest is taken to go on as before.
        """
        self._done += work
        rest = max(0.0, self._total - self._done) / max(self._done, 1e-9)
        return f"about {(self._clock() - self._began_s) * rest / 60:.0f} min left"
