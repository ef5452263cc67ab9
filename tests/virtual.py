"""Event loop that jumps to its next timer: minutes pass at once, always alike."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# Frames of the stack that debug mode keeps of each callback and task, to tell where it
# came from. With asyncio's 10, most of a test's time goes into reading stacks.
asyncio.constants.DEBUG_STACK_DEPTH = 1


class _JumpingSelector(selectors.DefaultSelector):
    """Selector that advances a virtual clock instead of waiting."""

    now_s = 0.0

    def select(self, timeout: float | None = None):
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("deadlock: every task waits and no timer is set")
            self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """
    Event loop in virtual time.

    ``failures`` collects the failures that asyncio only logs, such as an exception of
    a task that no code awaits.  Debug mode reports no slow callbacks here: virtual time
    stands still while a callback runs.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def time(self) -> float:
        return self._jumping.now_s

    def block(self, seconds: float) -> None:
        """Let time pass as a callback does that keeps the loop busy."""
        self._jumping.now_s += seconds


def run(main: Coroutine[Any, Any, T], *, debug: bool = True) -> T:
    """
    Return the result of ``main``; fail if a task outlives it or fails unseen.

    ``debug``: asyncio's debug mode.  A session takes half as long again then, so tests
    of minutes of virtual time turn it off.
    """

    async def checked() -> T:
        result = await main
        remaining = asyncio.all_tasks() - {asyncio.current_task()}
        assert not remaining, f"left: {sorted(t.get_name() for t in remaining)}"
        return result

    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop, debug=debug) as runner:
        result = runner.run(checked())
    assert not loop.failures, loop.failures
    return result
