"""
Ids of the work that a task does: its request, its session, and the caller's trace.

They are set where work comes in, and a new task inherits them. The log reads them.
"""

import re
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
session_id: ContextVar[str] = ContextVar("session_id", default="")
# Header `traceparent` of the request (W3C Trace Context), if it is valid.
traceparent: ContextVar[str] = ContextVar("traceparent", default="")

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def enter_session(session: str) -> None:
    """Let log lines of this task, and of tasks that it creates, name the session."""
    session_id.set(session)


def valid_traceparent(header: str) -> str:
    """Return the header if it is one of version 00; else an empty string."""
    return header if _TRACEPARENT.fullmatch(header) else ""


def context_ids() -> dict[str, str]:
    """Return the ids that are set, by their names in the log."""
    parent = traceparent.get()
    ids = {
        "session": session_id.get(),
        "request": request_id.get(),
        "trace": parent.split("-")[1] if parent else "",
    }
    return {name: text for name, text in ids.items() if text}
