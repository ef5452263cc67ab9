"""Events of the Realtime interface, checked with the ``openai`` package's types."""

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, ValidationError


class RefusedEvent(Exception):
    """Client event that the server does not take: error event to be sent."""

    def __init__(
        self,
        message: str,
        code: str | None = None,
        *,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.param, self.kind = message, code, param, kind

    def error(self, event_id: str | None) -> dict[str, Any]:
        """Return the error, naming the client's event."""
        return {
            "type": self.kind,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": event_id,
        }


def _by_type(union: Any) -> dict[str, type[BaseModel]]:
    classes = get_args(get_args(union)[0])
    result = {}
    for each in classes:
        annotation = each.model_fields["type"].annotation
        assert get_origin(annotation) is Literal
        result[get_args(annotation)[0]] = each
    return result


CLIENT_EVENTS = _by_type(RealtimeClientEvent)
SERVER_EVENTS = _by_type(RealtimeServerEvent)


def parse(text: str) -> dict[str, Any]:
    """Return a client event; raise `RefusedEvent` for one that OpenAI would refuse."""
    try:
        event = json.loads(text)
    except ValueError:
        raise RefusedEvent("The event is not valid JSON.", "invalid_json") from None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise RefusedEvent(
            "Missing required parameter: 'type'.",
            "missing_required_parameter",
            param="type",
        )
    kind = CLIENT_EVENTS.get(event["type"])
    if kind is None:
        raise RefusedEvent(
            f"Invalid value: '{event['type']}'. Supported values are: "
            f"{', '.join(sorted(CLIENT_EVENTS))}.",
            "invalid_value",
            param="type",
        )
    try:
        parsed = kind.model_validate(event, strict=True)
    except ValidationError as error:
        raise _refused(error) from None
    for place in _unknown(parsed):
        raise RefusedEvent(
            f"Unknown parameter: '{place}'.", "unknown_parameter", param=place
        )
    return event


def server_problem(event: dict[str, Any]) -> str:
    """Return why a server event is none of OpenAI's, empty if it is one."""
    kind = SERVER_EVENTS.get(event["type"])
    if kind is None:
        return f"no such event: {event['type']}"
    try:
        kind.model_validate(event, strict=True)
    except ValidationError as error:
        return str(error)
    return ""


def _refused(error: ValidationError) -> RefusedEvent:
    # A union lists the problems of each of its members, whose names begin with a
    # capital. The client has meant the one with the fewest.
    members: dict[tuple[str, ...], list[Any]] = {}
    for problem in error.errors():
        names = tuple(part for part in map(str, problem["loc"]) if part[:1].isupper())
        members.setdefault(names[:1], []).append(problem)
    problems = min(members.values(), key=len)
    first = min(problems, key=lambda each: each["type"] != "missing")
    place = ".".join(str(part) for part in first["loc"] if not str(part)[:1].isupper())
    if first["type"] == "missing":
        text, code = (
            f"Missing required parameter: '{place}'.",
            "missing_required_parameter",
        )
    else:
        text, code = f"Invalid value for '{place}': {first['msg']}.", "invalid_value"
    return RefusedEvent(text, code, param=place)


def _unknown(model: BaseModel, place: str = "") -> Iterator[str]:
    """Yield the places of fields that the types do not have."""
    for name in model.model_extra or {}:
        yield f"{place}{name}"
    for name in type(model).model_fields:
        value = getattr(model, name)
        values = value if isinstance(value, list) else [value]
        for each in values:
            if isinstance(each, BaseModel):
                yield from _unknown(each, f"{place}{name}.")
