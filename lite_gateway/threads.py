"""Threads by a name that the operating system knows too, to tell their work apart."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def pool(threads: int, name: str) -> ThreadPoolExecutor:
    """``name`` has at most 15 characters; what a thread starts inherits it."""
    return ThreadPoolExecutor(threads, name, _tell_system, (name,))


def _tell_system(name: str) -> None:
    """Python 3.11 keeps a thread's name to itself."""
    own = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
    with contextlib.suppress(OSError):  # not on Linux
        own.write_text(name)
