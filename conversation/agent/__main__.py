"""
Agent process of a gateway: ``python -m conversation.agent SOCKET``.

The gateway starts it. A worker connects to the Unix socket of that path, and all ends
when the socket is closed; see `conversation.agent.workers`.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
import time

from conversation.agent.conversation import converse
from conversation.agent.logs import agent_log_handler
from conversation.agent.process import serve
from conversation.agent.warm_up import import_libraries, warm_up
from conversation.agent.workers import run_workers
from lite_gateway.priority import lower_priority

log = logging.getLogger(__name__)

NICENESS = 5  # below the gateway, whose audio leaves every 20 ms
ORPHAN_GRACE_S = 5.0  # to leave the rooms when the gateway is gone
_PARENT_POLL_S = 1.0


def main() -> int:
    """Serve the conversations of the gateway until its socket closes."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m conversation.agent SOCKET (the gateway starts it)")
    parent = os.getppid()
    _log_to_gateway()
    lower_priority(NICENESS)
    # Ctrl-C reaches the whole process group, and the gateway ends its sessions first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import_libraries()
    return run_workers(lambda: _work(sys.argv[1]), parent)


def _work(path: str) -> int:
    threading.Thread(
        target=_end_after, args=(os.getppid(),), name="orphan watch", daemon=True
    ).start()
    try:
        asyncio.run(serve(path, converse, warm_up))
    except OSError as error:
        # The gateway is gone, or starts another agent process.
        log.error("the gateway's socket cannot be used: %s", error)  # noqa: TRY400
    return 0


def _log_to_gateway() -> None:
    """Log to stderr."""
    logging.basicConfig(level=logging.INFO, handlers=[agent_log_handler(sys.stderr)])
    # Their records repeat texts of providers and of people.
    for name in ("livekit", "openai", "httpx2", "httpcore2", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _end_after(parent: int) -> None:
    """End this process by force if its loop hangs when its parent is gone."""
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_S)
    time.sleep(ORPHAN_GRACE_S)
    log.error("the gateway is gone and the agent process did not end by itself")
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
