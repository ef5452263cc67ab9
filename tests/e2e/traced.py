"""Events in the trace of a gateway, which writes them once per period."""

from typing import Any

from bench.probe.stack import Gateway
from lite_gateway.playout.trace import read
from tests.waiting import until


def traced(
    gateway: Gateway, session: dict[str, Any], kind: type, count: int = 1
) -> list[Any]:
    """Wait for ``count`` events of a kind in a session; return all that are there."""

    def found() -> list[Any]:
        path = gateway.log_path.with_name("trace")
        return [
            event
            for id_, event in read(path)
            if id_ == session["session_id"] and isinstance(event, kind)
        ]

    until(lambda: len(found()) >= count)
    return found()
