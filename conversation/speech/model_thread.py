"""Thread of one model, with a bound on the requests that wait for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from conversation.speech.refusals import RequestRefused
from lite_gateway.threads import Workers

Result = TypeVar("Result")

MAX_REQUESTS = 8  # that run or wait; one more would wait for seconds


class ModelThread:
    """
    Thread that runs one model, so that the event loop is never blocked.

    A request is admitted once, and then runs as many steps as it likes: steps of
    several requests take turns.
    """

    def __init__(self, name: str, max_requests: int = MAX_REQUESTS) -> None:
        self._name = name
        self._max_requests = max_requests
        self._requests = 0
        self._workers = Workers(1, name)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count a request; raise `RequestRefused` (429) if too many are there."""
        if self._requests >= self._max_requests:
            raise RequestRefused(
                f"The built-in {self._name} has {self._requests} requests already,"
                " which is its limit. Try again in a second.",
                status=429,
                code="rate_limit_exceeded",
            )
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    async def run(self, work: Callable[[], Result]) -> Result:
        """Call ``work`` in the thread."""
        return await self._workers.run(work)

    def close(self) -> None:
        """End the thread when the work that was given to it is done."""
        self._workers.close()
