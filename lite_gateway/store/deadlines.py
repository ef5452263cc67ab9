"""Deadline of the transaction that runs in this thread, for code inside of drivers."""

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar

_deadline_s: ContextVar[float | None] = ContextVar("deadline of a transaction")


@contextlib.contextmanager
def time_limit(deadline_s: float) -> Iterator[None]:
    """Give the code within this block until ``deadline_s`` of `time.monotonic`."""
    token = _deadline_s.set(deadline_s)
    try:
        yield
    finally:
        _deadline_s.reset(token)


def remaining_s(max_s: float) -> float:
    """Return the seconds that are left, from 0 to ``max_s``."""
    deadline_s = _deadline_s.get(None)
    if deadline_s is None:
        return max_s
    return min(max(deadline_s - time.monotonic(), 0.0), max_s)
