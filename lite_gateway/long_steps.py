"""
Order of the long steps of all connections and requests on the event loop.

What is due at once runs in one turn of the loop, and nothing else runs meanwhile: steps
of a millisecond, each for another client, would add up.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial

LIMIT_S = 0.0005


class LongSteps:
    """
    Queue of long steps: those that begin in one turn of the loop begin within a limit.

    One that finds the time of its turn used, or others that wait, waits behind them. So
    a turn has long steps for at most the limit and the last of them.
    """

    def __init__(
        self, limit_s: float = LIMIT_S, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._since_s: float | None = None  # when the first one of this turn began
        self._scheduled = False  # a call of `_next_turn`
        self._more_began = False  # another step, since that call was scheduled
        self._woken = False  # a task that waited goes on in this turn or the next one

    @property
    def has_time(self) -> bool:
        """Return whether this turn has time for long steps."""
        if self._woken:
            return False
        return self._since_s is None or self._clock() - self._since_s < self._limit_s

    def begin(self) -> bool:
        """Return whether the caller may run a long step now; if so, it must do that."""
        if self._waiting or not self.has_time:
            return False
        self._more_began = self._scheduled
        self._begin()
        return True

    def later(self, step: Callable[[], None]) -> None:
        """Run a step in a later turn, after those that wait."""
        self._waiting.append(step)
        self._schedule()

    async def wait(self) -> None:
        """
        Wait until the caller may run a long step.

        The step ends where the caller awaits again. A quiet loop lets it begin at once.
        """
        if self.begin():
            return
        woken = asyncio.get_running_loop().create_future()
        self.later(partial(self._wake, woken))
        try:
            await woken
        finally:
            if woken.done() and not woken.cancelled():
                self._woken = False
                self._begin()

    def _wake(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():  # it is cancelled
            self._woken = True
            waiter.set_result(None)

    def _begin(self) -> None:
        if self._since_s is None:
            self._since_s = self._clock()
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._scheduled = False
        if self._more_began:  # perhaps in this turn, before this call
            self._more_began = False
            self._schedule()
            return
        self._since_s = None
        while self._waiting and self.has_time:
            self._begin()
            self._waiting.popleft()()
