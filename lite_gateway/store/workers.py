"""Threads that run calls of the database, each with a deadline."""

import asyncio
import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from lite_gateway.errors import StoreUnavailable
from lite_gateway.store.deadlines import time_limit
from lite_gateway.threads import set_system_name, settle

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Call(Generic[Result]):
    """Call that waits for a thread or runs in it."""

    work: Callable[[Callable[[], None]], Result]
    future: asyncio.Future[Result]
    deadline_s: float

    def check_wanted(self) -> None:
        """Raise `StoreUnavailable` if the caller does not wait for the result."""
        if self.future.cancelled():
            raise StoreUnavailable("the caller does not wait any more")

    def perform(self) -> None:
        """Run the call in this thread, unless nobody waits for it any more."""
        settle(self.future, self._result)

    def _result(self) -> Result:
        self.check_wanted()
        with time_limit(self.deadline_s):
            return self.work(self.check_wanted)


class DatabaseThreads:
    """
    Threads that never hold the caller, or the process, for longer than a deadline.

    A pool of the standard library has no bound for the calls that wait, and the
    interpreter joins its threads at exit, also one that a dead server holds.
    """

    def __init__(self, count: int, name: str, *, max_waiting: int) -> None:
        self._count = count
        self._name = name
        self._calls: queue.Queue[_Call[object] | None] = queue.Queue(max_waiting)
        self._threads: list[threading.Thread] = []

    async def run(
        self, work: Callable[[Callable[[], None]], Result], limit_s: float
    ) -> Result:
        """
        Return the result of ``work``, or raise `StoreUnavailable` after ``limit_s``.

        ``work`` gets a function that raises if the result is not wanted any more.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        context = contextvars.copy_context()

        def within(check: Callable[[], None]) -> Result:
            """Work in the caller's context: log lines of the thread have its ids."""
            return context.run(work, check)

        call = _Call(within, future, time.monotonic() + limit_s)
        self._start()
        try:
            self._calls.put_nowait(call)  # type: ignore[arg-type]
        except queue.Full:
            raise StoreUnavailable(
                "too many requests wait for the server's database; try again"
            ) from None
        try:
            async with asyncio.timeout(limit_s) as limit:
                return await future
        except TimeoutError:
            if not limit.expired():  # an error of `work`, not our deadline
                raise
            raise StoreUnavailable(
                f"the server's database did not answer within {limit_s:g} s; try again"
            ) from None

    def _start(self) -> None:
        """Start the threads at the first call: commands need none."""
        while len(self._threads) < self._count:
            thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self) -> None:
        set_system_name(self._name)
        while (call := self._calls.get()) is not None:
            call.perform()
            del call  # an idle thread must not keep a result alive

    def stop(self) -> None:
        """Drop the calls that have not begun, and wait until the threads have ended."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._calls.get_nowait()
        for _ in self._threads:
            with contextlib.suppress(queue.Full):
                self._calls.put_nowait(None)
        for thread in self._threads:
            thread.join()
