"""Events of a server: the types of their JSON objects."""

from typing import Required, TypedDict


class Problem(TypedDict, total=False):
    """Content of an ``error`` or a ``warning`` event."""

    type: Required[str]
    message: Required[str]
    event_id: str | None


class Task(TypedDict):
    """Turn, named by the id that the server gave it."""

    id: str


class Event(TypedDict, total=False):
    """Event of the server; ``type`` decides which keys it has: see PROTOCOL.md."""

    type: Required[str]
    event_id: str | None
    source_event_id: str | None
    task: Task
    state: str  # session.state_updated
    previous_state: str  # agent.state_updated
    new_state: str
    played_ms: int  # agent.speak_interrupted; only this gateway sends it
    error: Problem
    warning: Problem
    end_reason: str  # session.stopped
    stop_reason: str
    message: str
