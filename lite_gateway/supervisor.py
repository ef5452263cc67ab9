"""
Supervision of the process's long-lived tasks, and of the tasks of its sessions.

Each long-lived task has a `Policy`: it is restarted after a failure, or the process
ends with a status other than 0, so that its own supervisor starts it again. There is
no third way: a gateway that answers and cannot serve is worse than one that exits.

`MemoryError` is an exception like any other. `KeyboardInterrupt` and `SystemExit` end
the event loop, and with it the process.
"""

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Self

from lite_gateway.metrics import Metrics

log = logging.getLogger(__name__)

MIN_BACKOFF_S, MAX_BACKOFF_S = 0.1, 30.0  # between a failure and the restart
GATEWAY_FAILED = "the gateway has failed and ends; see the log"
HEALTHY_S = 60.0  # a task that ran so long starts again with the shortest back-off


@dataclass(frozen=True, slots=True)
class Policy:
    """
    Rule for a task that fails.

    ``max_failures``: failures in a row that are followed by a restart; one more ends
    the process. None: restart for ever. ``may_return``: a return is no failure.
    ``first_restart_s``: from a failure to the restart; each more in a row doubles it.
    """

    max_failures: int | None = None
    may_return: bool = False
    first_restart_s: float = MIN_BACKOFF_S


RESTART = Policy()
UNTIL_DONE = Policy(may_return=True)
# No session works without such a task. Six restarts take six seconds.
ESSENTIAL = Policy(max_failures=6)
END_PROCESS = Policy(max_failures=0)


class IsolatedTasks(asyncio.TaskGroup):
    """
    Task group in which a task that fails ends alone, with a traceback in the log.

    In a plain task group, the failure of one session would cancel all of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._running: set[asyncio.Task[Any]] = set()

    def create_task(
        self,
        coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        """Start a task; its result is None if it failed."""
        assert isinstance(coro, Coroutine)
        isolated = _isolated(coro, name or "task")
        task = super().create_task(isolated, name=name, context=context)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def cancel(self) -> None:
        """Cancel every task that still runs."""
        for task in self._running:
            log.warning("task is cancelled, task=%s", task.get_name())
            task.cancel()


async def _isolated(work: Coroutine[Any, Any, Any], name: str) -> Any:
    try:
        return await work
    except Exception:  # boundary: no task ends another one
        log.exception("task failed, task=%s", name)
        return None


class Supervisor:
    """
    Long-lived tasks of one process.

    A task that waits for its restart is in `restarting`. `failure` says why the process
    must end; `failed` waits for that.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._group: asyncio.TaskGroup | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._failed = asyncio.Event()
        self._essential: set[str] = set()
        self.restarting: set[str] = set()
        self.failure: str | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Supervise the tasks that are added; cancel them at the end."""
        async with asyncio.TaskGroup() as self._group:
            try:
                yield self
            finally:
                for task in self._tasks:
                    task.cancel()

    def add(
        self, name: str, run: Callable[[], Awaitable[None]], policy: Policy
    ) -> asyncio.Task[None]:
        """Run ``run`` as a task until it is cancelled or its policy ends it."""
        assert self._group is not None, "the supervisor does not run"
        self._metrics.task_restarts.labels(name)  # at 0
        if policy.max_failures is not None:
            self._essential.add(name)
        task = self._group.create_task(self._supervise(name, run, policy), name=name)
        self._tasks.append(task)
        return task

    def fail(self, text: str) -> None:
        """End the process: ``text`` says why. The first reason stands."""
        if self.failure is None:
            self.failure = text
            log.critical("the gateway must end: %s", text)
            self._failed.set()

    @property
    def fault(self) -> str | None:
        """Reason why no session can start; None if all tasks that one needs run."""
        if self.failure is not None:
            return GATEWAY_FAILED
        down = sorted(self._essential & self.restarting)
        return f"{', '.join(down)} failed and will be restarted" if down else None

    async def failed(self) -> str:
        """Wait until the process must end, and return the reason."""
        await self._failed.wait()
        assert self.failure is not None
        return self.failure

    async def _supervise(
        self, name: str, run: Callable[[], Awaitable[None]], policy: Policy
    ) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            started_s = loop.time()
            error = await _error_of(name, run)
            if error is None:
                if policy.may_return:
                    return
                log.error("task ended without an error, task=%s", name)
            if loop.time() - started_s >= HEALTHY_S:
                failures = 0
            failures += 1
            if policy.max_failures is not None and failures > policy.max_failures:
                self.restarting.add(name)
                times = f", {failures} times in a row" if failures > 1 else ""
                self.fail(f"the task {name!r} failed{times}: {error}")
                return
            self.restarting.add(name)
            self._metrics.task_restarts.labels(name).inc()
            await asyncio.sleep(_backoff_s(policy.first_restart_s, failures))
            self.restarting.discard(name)


def _backoff_s(first_s: float, failures: int) -> float:
    doublings = min(failures - 1, 20)  # more would overflow
    return min(first_s * float(2**doublings), MAX_BACKOFF_S)


async def _error_of(
    name: str, run: Callable[[], Awaitable[None]]
) -> BaseException | None:
    """Run a task once; return and log the error that ended it, None if it returned."""
    try:
        await run()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # A library's own cancellation, not ours: the task would end in silence.
        log.exception("task was cancelled from within, task=%s", name)
        return error
    except Exception as error:  # boundary: the task's policy says what follows
        log.exception("task failed, task=%s", name)
        return error
    return None
