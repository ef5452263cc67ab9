"""Watch of the render thread: notes when it draws again, and when it never will."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from lite_gateway.errors import RenderFailed

PERIOD_S = 5.0
PROBE_TIMEOUT_S = 2.0
# A thread cannot be ended. One that takes so long for a frame will not come back.
HOPELESS_S = 60.0


class RenderState(Protocol):
    """State of the batcher that is watched."""

    @property
    def stuck_s(self) -> float: ...

    @property
    def failing_s(self) -> float: ...


class RenderWatch:
    """
    Task that draws a frame now and then while frames fail, so that a recovery is seen.

    Without that, a gateway that is not ready gets no session, and so no frame to draw.
    """

    def __init__(
        self, state: RenderState, probe: Callable[[], Awaitable[None]]
    ) -> None:
        self._state = state
        self._probe = probe
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Watch from now on: the first frames may take long."""
        self._begun.set()

    async def run(self) -> None:
        """Watch until cancelled. Raise `RenderFailed` if the thread hangs for good."""
        await self._begun.wait()
        hanging = 0
        while True:
            await asyncio.sleep(PERIOD_S)
            # Count checks: after a pause of the whole process, one of them is late.
            hanging = hanging + 1 if self._state.stuck_s >= PERIOD_S else 0
            if hanging * PERIOD_S >= HOPELESS_S:
                raise RenderFailed(f"a frame has taken {HOPELESS_S:.0f} s")
            if self._state.failing_s:
                with contextlib.suppress(RenderFailed, TimeoutError):
                    async with asyncio.timeout(PROBE_TIMEOUT_S):
                        await self._probe()
