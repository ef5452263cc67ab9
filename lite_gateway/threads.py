"""Threads that have a name in the operating system."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def pool(threads: int, name: str) -> ThreadPoolExecutor:
    """
    Return a pool whose threads are called ``name`` in tools such as ``top``.

    Linux cuts names after 15 characters. Threads that a pool thread starts inherit its
    name.
    """
    return ThreadPoolExecutor(threads, name, set_system_name, (name,))


def set_system_name(name: str) -> None:
    """Name the current thread for the system, which Python does from 3.14 on."""
    path = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
    with contextlib.suppress(OSError):  # only Linux has this file
        path.write_text(name)
