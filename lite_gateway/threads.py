"""Threads that have a name in the operating system."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")


def pool(threads: int, name: str) -> ThreadPoolExecutor:
    """
    Return a pool whose threads are called ``name`` in tools such as ``top``.

    Linux cuts names after 15 characters. Threads that a pool thread starts inherit its
    name.
    """
    return ThreadPoolExecutor(threads, name, set_system_name, (name,))


class Workers:
    """
    Threads that share one queue of work for the event loop, called ``name``.

    They do what `pool` does with `loop.run_in_executor`, for a third of its cost to the
    event loop. A thread that hangs keeps the process from nothing.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._threads = threads
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        for _ in range(threads):
            threading.Thread(
                target=self._run, args=(name,), name=name, daemon=True
            ).start()

    def run(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Call ``work`` in a thread, unless its future is cancelled before."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def unless_cancelled() -> None:
            if not future.cancelled():
                settle(future, work)

        self._work.put(unless_cancelled)
        return future

    def close(self) -> None:
        """End the threads when the work that was given to them is done."""
        for _ in range(self._threads):
            self._work.put(None)

    def _run(self, name: str) -> None:
        set_system_name(name)
        while (work := self._work.get()) is not None:
            work()
            del work  # a thread that waits keeps no frame


def in_daemon_thread(work: Callable[[], Result], name: str) -> asyncio.Future[Result]:
    """
    Run ``work`` in a thread of its own and return its future.

    A thread that hangs, on a disk that is gone, keeps the process from nothing.
    """
    future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def run() -> None:
        set_system_name(name)
        settle(future, work)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def settle(future: asyncio.Future[Result], work: Callable[[], Result]) -> None:
    """Call ``work`` in this thread, and give the outcome to a future of the loop."""
    give: Callable[[], None]
    try:
        give = partial(future.set_result, work())
    except BaseException as error:  # boundary: the caller gets it
        give = partial(future.set_exception, error)

    def unless_done() -> None:
        if not future.done():  # its caller may have left
            give()

    with contextlib.suppress(RuntimeError):  # the loop has been closed
        future.get_loop().call_soon_threadsafe(unless_done)


def set_system_name(name: str) -> None:
    """Name the current thread for the system, which Python does from 3.14 on."""
    path = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
    with contextlib.suppress(OSError):  # only Linux has this file
        path.write_text(name)
