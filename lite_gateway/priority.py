"""Priority of a process below that of others, such as the gateway."""

import contextlib
import os
import time
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
_TRIES = 20
_PAUSE_S = 0.1  # Linux takes one change of an autogroup in so long, from all processes


def yield_to_others(niceness: int) -> None:
    """
    Run, with all children, only while nobody else wants the processor.

    Where the system cannot do that, it is `lower_priority` alone.
    """
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    lower_priority(niceness)


def lower_priority(niceness: int) -> None:
    """
    Give this process and its children a lower priority than the gateway has.

    Linux may share the processors between sessions first (sched_autogroup): a niceness
    then counts within one session alone, and each child of the gateway leads its own.
    So the session gets the same niceness. One that began elsewhere is left alone.
    """
    niceness = os.nice(niceness)
    if os.getsid(0) != os.getpid():
        return
    with contextlib.suppress(OSError):  # a system without autogroups
        for _ in range(_TRIES):
            with contextlib.suppress(BlockingIOError):
                AUTOGROUP.write_text(str(niceness))
                return
            time.sleep(_PAUSE_S)
