"""Threads that have a name in the operating system."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


def in_daemon_thread(work: Callable[[], Result], name: str) -> asyncio.Future[Result]:
    """
    Run ``work`` in a thread of its own and return its future.

    A thread that hangs, on a disk that is gone, keeps the process from nothing.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: Exception | None) -> None:
        if future.done():  # cancelled
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        set_system_name(name)
        result, error = None, None
        try:
            result = work()
        except Exception as failure:  # boundary: the caller gets it
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def set_system_name(name: str) -> None:
    """Name the current thread for the system, which Python does from 3.14 on."""
    path = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
    with contextlib.suppress(OSError):  # only Linux has this file
        path.write_text(name)
