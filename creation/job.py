"""
Program of a gateway's job: `creation` at the lowest priority and within limits.

``python -m creation.job MEGABYTES SECONDS``: memory and processor time that it may
have. The arguments of `creation` are the first line of stdin (`creation.arguments`). It
ends when its stdin is closed, as the end of the gateway does. Torch takes seconds to
import: priority and limits come before.
"""

import os
import resource
import signal
import sys
import threading
import time

from creation.arguments import read_arguments
from lite_gateway.priority import yield_to_others

_LOWEST = 19  # niceness
_PRIVATE = 0o077  # umask: other users of the machine see no face
_END_GRACE_S = 5.0  # for unfinished files to be removed


def main() -> int:
    """Make one package and return the exit status."""
    megabytes, seconds = sys.argv[1:]
    os.umask(_PRIVATE)
    _yield_to_others()
    _limit(int(megabytes) << 20, int(seconds))
    arguments = read_arguments()
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    from creation.__main__ import run

    return run(arguments)


def _yield_to_others() -> None:
    """Run only while nobody else wants the processor. Some tests replace this."""
    yield_to_others(_LOWEST)


def _limit(size: int, seconds: int) -> None:
    """Bound what this process allocates, in bytes, and its processor time."""
    for kind, most in ((resource.RLIMIT_DATA, size), (resource.RLIMIT_CPU, seconds)):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(kind, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold the photo


def _end_with_stdin() -> None:
    # Not sys.stdin: at its end, Python waits for the lock of a buffer in use.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_END_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
