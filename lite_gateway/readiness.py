"""Readiness of the gateway: whether a session could start now, and if not, why."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lite_gateway.foreign.text import foreign_text
from lite_gateway.metrics import Metrics

log = logging.getLogger(__name__)

DEADLINE_S = 1.5  # of all checks together: /ready answers within 2 s
CACHE_S = 1.0  # a result is used for so long, so that a flood of requests costs nothing
PERIOD_S = 5.0  # between two checks that nobody asked for; they keep the metrics right

# Returns None if all is well, else the details for the log; may raise and may hang.
Check = Callable[[], Awaitable[str | None]]
# Returns why no session can start, for anybody to read; None if one can.
Fault = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Dependency:
    """Outside thing that sessions need: its label in metrics, and how to check it."""

    label: str
    check: Check
    fault: str  # for callers: it names no address


class _Watch:
    """
    Last known state of a dependency.

    At most one check runs at a time: one that hangs is asked again, not repeated.
    """

    def __init__(
        self, dependency: Dependency, group: asyncio.TaskGroup, metrics: Metrics
    ) -> None:
        self._dependency = dependency
        self._group = group
        self._up = metrics.dependency_up.labels(dependency.label)
        self._running: asyncio.Task[str | None] | None = None
        self._was_up = True
        self.fault: str | None = dependency.fault

    def begin(self) -> asyncio.Task[str | None]:
        """Return the running check; start one if there is none."""
        if self._running is None or self._running.done():
            name = f"check {self._dependency.label}"
            self._running = self._group.create_task(self._check(), name=name)
        return self._running

    async def _check(self) -> str | None:
        try:
            return await self._dependency.check()
        except Exception as error:  # boundary: an odd answer is a fault like another
            return f"{type(error).__name__}: {error}"

    def conclude(self) -> None:
        """Take the result of the check, or note that it has none yet."""
        assert self._running is not None
        details: str | None = f"no answer within {DEADLINE_S} s"
        if self._running.done():
            cancelled = self._running.cancelled()
            details = "cancelled" if cancelled else self._running.result()
            self._running = None
        up = details is None
        if self._was_up and details is not None:
            text = foreign_text(details)
            log.warning("%s is not available: %s", self._dependency.label, text)
        elif up and not self._was_up:
            log.info("%s is available again", self._dependency.label)
        self._was_up = up
        self._up.set(up)
        self.fault = None if up else self._dependency.fault


class Readiness:
    """
    Answer of /ready, within a deadline whatever hangs.

    ``own_fault`` looks at the process itself, at each call. The dependencies are
    checked together; the result is kept for `CACHE_S`.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        metrics: Metrics,
        own_fault: Fault,
        dependencies: tuple[Dependency, ...],
    ) -> None:
        self._metrics = metrics
        self._own_fault = own_fault
        self._watches = [_Watch(outside, group, metrics) for outside in dependencies]
        self._lock = asyncio.Lock()
        self._checked_s = -math.inf
        self._closed = False

    def close(self) -> None:
        """Begin no check any more: the group ends, and the last result stands."""
        self._closed = True

    async def fault(self) -> str | None:
        """Return None if a session could start now, else the reason."""
        await self._check()
        faults = [self._own_fault(), *(watch.fault for watch in self._watches)]
        text = "; ".join(filter(None, faults)) or None
        self._metrics.ready.set(text is None)
        return text

    async def _check(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._lock:
            if self._closed or loop.time() - self._checked_s < CACHE_S:
                return
            checks = [watch.begin() for watch in self._watches]
            await asyncio.wait(checks, timeout=DEADLINE_S)
            for watch in self._watches:
                watch.conclude()
            self._checked_s = loop.time()

    async def run(self) -> None:
        """Keep the metrics right when nobody asks; until cancelled."""
        while True:
            await self.fault()
            await asyncio.sleep(PERIOD_S)
