"""
Time slice of a thread: how soon the system's scheduler runs it when it wakes.

Linux lets a thread that runs finish its slice, of one to several milliseconds, before
another one of equal priority that has just woken. A thread whose slice is shorter does
not wait for that. It gets the same share of the processor, and needs no privilege.
"""

import contextlib
import ctypes
import os
import platform
import sys

SHORTEST_S = 0.0001  # that Linux takes
# Threads and processes that this one starts get the usual slice.
_RESET_ON_FORK = 1
# sched_setattr and sched_getattr, for which old C libraries have no function.
_SYSTEM_CALLS = {"x86_64": (314, 315), "aarch64": (274, 275)}


class _Attributes(ctypes.Structure):
    """struct sched_attr of Linux, in its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),  # ns; of a usual thread, its slice
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def time_slice() -> float | None:
    """
    Return the slice of this thread in seconds.

    None: the system does not tell; Linux does from 6.12 on.
    """
    attributes = _Attributes()
    size = ctypes.sizeof(attributes)
    try:
        _call(1, ctypes.byref(attributes), size, 0)
    except OSError:
        return None
    is_usual = attributes.policy == getattr(os, "SCHED_OTHER", None)
    return attributes.runtime / 1e9 if is_usual and attributes.runtime else None


def shorten_time_slice(slice_s: float = SHORTEST_S) -> None:
    """
    Ask for a shorter slice for this thread, where the system knows that.

    A thread whose priority somebody has raised stays as it is: the threads that it
    starts would lose that priority.
    """
    with contextlib.suppress(OSError):
        if not _has_usual_priority():
            return
        attributes = _Attributes(flags=_RESET_ON_FORK, runtime=round(slice_s * 1e9))
        attributes.size = ctypes.sizeof(attributes)
        attributes.nice = os.getpriority(os.PRIO_PROCESS, 0)  # of this thread
        _call(0, ctypes.byref(attributes), 0)


def _has_usual_priority() -> bool:
    if sys.platform != "linux" or os.getpriority(os.PRIO_PROCESS, 0) < 0:
        return False
    return os.sched_getscheduler(0) == os.SCHED_OTHER


def _call(which: int, *arguments: object) -> None:
    """Call sched_setattr (0) or sched_getattr (1) for this thread, or raise OSError."""
    numbers = _SYSTEM_CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if numbers is None:
        raise OSError("this system has no such call")
    system = ctypes.CDLL(None, use_errno=True)
    if system.syscall(numbers[which], 0, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "the system refuses a time slice")
