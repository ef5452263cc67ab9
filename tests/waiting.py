"""
Real time in tests: wait for what can be seen, and measure when the machine lets one.

A deadline is for what is broken, and costs nothing while things work.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

PATIENCE_S = 60.0
_LOOK_S = 0.05


def until(look: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """What ``look`` finds, once it finds something."""
    deadline_s = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline_s, f"not within {within_s:.0f} s"
        time.sleep(_LOOK_S)
    return found


async def found(look: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """The same on an event loop that has more to do; ``look`` does not block."""
    deadline_s = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < deadline_s, f"not within {within_s:.0f} s"
        await asyncio.sleep(_LOOK_S)
    return seen


class Late(AssertionError):
    """A figure of real time was missed: by us, or by a machine that was busy."""


@contextlib.contextmanager
def figures() -> Iterator[None]:
    """What is asserted in here depends on the machine, too: see `best_of`."""
    try:
        yield
    except AssertionError as missed:
        raise Late(str(missed)) from missed


def best_of(tries: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    A test whose `figures` are taken again when they were missed.

    What is wrong misses them each time; what is asserted outside of `figures` must
    hold at every try.
    """

    def wrap(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def tried(*given: Any, **named: Any) -> None:
            for left in reversed(range(tries)):
                try:
                    return test(*given, **named)
                except Late as missed:
                    if not left:
                        raise
                    print(f"missed, once more: {missed}")
            return None

        return tried

    return wrap
