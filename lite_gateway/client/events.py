"""What a server tells, as the JSON objects that they are on the wire."""

from typing import Required, TypedDict


class Problem(TypedDict, total=False):
    """What an ``error`` or a ``warning`` says."""

    type: Required[str]
    message: Required[str]
    event_id: str | None


class Task(TypedDict):
    """A turn by the server's own name for it."""

    id: str


class Event(TypedDict, total=False):
    """One event; which keys it has depends on ``type``: see PROTOCOL.md."""

    type: Required[str]
    event_id: str | None
    source_event_id: str | None
    task: Task
    state: str  # session.state_updated
    previous_state: str  # agent.state_updated
    new_state: str
    played_ms: int  # agent.speak_interrupted; ours alone
    error: Problem
    warning: Problem
    end_reason: str  # session.stopped
    stop_reason: str
    message: str
