"""End of a gateway's process, as its supervisor sees it."""

import os

from tests.waiting import until


def exit_status(pid: int, within_s: float) -> int:
    """Wait until a child process has ended; return its status, -N for signal N."""

    def ended() -> tuple[int, int] | None:
        done, status = os.waitpid(pid, os.WNOHANG)
        return (done, status) if done else None

    _, status = until(ended, within_s)
    return os.waitstatus_to_exitcode(status)
