"""
Real time in tests: wait for observable conditions, and repeat missed measurements.

A deadline is only reached when something is broken, so it can be long.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

PATIENCE_S = 60.0
_POLL_S = 0.05


def until(
    condition: Callable[[], Any], within_s: float = PATIENCE_S, every_s: float = _POLL_S
) -> Any:
    """
    Return the first true result of ``condition``; fail after ``within_s``.

    It is asked each ``every_s``.
    """
    deadline_s = time.monotonic() + within_s
    while not (result := condition()):
        assert time.monotonic() < deadline_s, f"not within {within_s:.0f} s"
        time.sleep(every_s)
    return result


async def until_async(
    condition: Callable[[], Any], within_s: float = PATIENCE_S
) -> Any:
    """Wait as `until` does, without blocking the event loop between two calls."""
    deadline_s = time.monotonic() + within_s
    while not (result := condition()):
        assert time.monotonic() < deadline_s, f"not within {within_s:.0f} s"
        await asyncio.sleep(_POLL_S)
    return result


class Late(AssertionError):
    """Time limit that was missed: by a fault, or because the machine was busy."""


_tries: list[int] = []  # that the running test has left


@contextlib.contextmanager
def figures() -> Iterator[None]:
    """Mark assertions about real time, which `best_of` may try again."""
    assert _tries, "a test with figures() needs @best_of"
    try:
        yield
    except AssertionError as error:
        raise Late(str(error)) from error


def best_of(tries: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Run a test again if its `figures` were missed, up to ``tries`` times.

    A fault misses them every time. Assertions outside of `figures` must hold at every
    try. The test is marked `real_time`: it runs while no other test does.
    """

    def wrap(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def tried(*args: Any, **kwargs: Any) -> None:
            for tries_left in reversed(range(tries)):
                _tries.append(tries_left)
                try:
                    return test(*args, **kwargs)
                except Late as error:
                    if not tries_left:
                        raise
                    print(f"missed, trying again: {error}")
                finally:
                    _tries.pop()
            return None

        marked: Callable[..., None] = pytest.mark.real_time(tried)
        return marked

    return wrap
