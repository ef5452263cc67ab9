"""Bound of the sessions that join their rooms at the same time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from lite_gateway.telemetry.processors import usable_cores

# A join costs about half a second of processor: keys, encoders, and for the first
# session of an avatar its rig. Two for each core keep the cores busy.
PER_CORE = 2
# A join that takes longer waits for its LiveKit server, which costs no processor: it
# does not delay the joins on other servers.
HOLD_S = 3.0
MAX_WAIT_S = 5.0  # for a start whose caller waits for the answer
MAX_BACKGROUND_WAIT_S = 30.0  # for a start that no caller waits for


class JoinLimiter:
    """
    Limiter of joins: ``at_once`` at the same time, the others in order.

    None: `PER_CORE` for each core that this process may use.
    """

    def __init__(self, metrics: Metrics, *, at_once: int | None = None) -> None:
        if at_once is None:
            at_once = PER_CORE * max(2, round(usable_cores()))
        self._metrics = metrics
        self._permits = asyncio.Semaphore(at_once)
        self._count = 0  # sessions that join or wait for it

    @contextlib.asynccontextmanager
    async def turn(self, max_wait_s: float) -> AsyncIterator[None]:
        """Wait for a turn, or raise `Refused` after ``max_wait_s``."""
        self._count += 1
        try:
            await self._acquire(max_wait_s)
            with self._held():
                yield
        finally:
            self._count -= 1

    async def _acquire(self, max_wait_s: float) -> None:
        try:
            async with asyncio.timeout(max_wait_s):
                await self._permits.acquire()
        except TimeoutError:
            self._metrics.joins_refused.inc()
            raise Refused(
                503,
                f"{self._count} sessions are joining their rooms, and this one had no "
                f"turn within {max_wait_s:.0f} s; try again in {MAX_WAIT_S:.0f} s",
                retry_s=MAX_WAIT_S,
            ) from None

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Hold a permit during the block, but no longer than `HOLD_S`."""
        with contextlib.ExitStack() as permit:
            permit.callback(self._permits.release)
            timer = asyncio.get_running_loop().call_later(HOLD_S, permit.close)
            try:
                yield
            finally:
                timer.cancel()
