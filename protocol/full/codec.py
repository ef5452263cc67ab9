"""Codec of the data channel: packets to commands, and events to packets."""

import re
from typing import Any

import orjson

from protocol.errors import BadMessage, quoted
from protocol.full.messages import (
    MAX_COMMAND_BYTES,
    MAX_EVENT_ID_CHARS,
    MAX_TEXT_BYTES,
    NOT_OFFERED,
    ChannelCommand,
    ChannelEvent,
    CommandKind,
)

_WITH_TEXT = (CommandKind.SPEAK_TEXT, CommandKind.SPEAK_RESPONSE)
_KNOWN = ", ".join(CommandKind)
# All but tabs and line ends: no voice speaks them, and PostgreSQL cannot store NUL.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")


def decode_command(packet: bytes) -> ChannelCommand:
    """
    Return the command in one data packet.

    Raise `BadMessage` with the reason for the client if there is none.
    """
    fields = _parsed(packet)
    event_id = _event_id(fields)
    name = fields.get("event_type")
    if not isinstance(name, str):
        raise BadMessage(
            f'"event_type" is missing or not a string; one of {_KNOWN}', event_id
        )
    if name in NOT_OFFERED:
        raise BadMessage(f"{name} is not offered: {NOT_OFFERED[name]}", event_id)
    try:
        kind = CommandKind(name)
    except ValueError:
        raise BadMessage(
            f"unknown event_type {quoted(name)}; this server knows {_KNOWN}", event_id
        ) from None
    text = _text(fields, kind, event_id) if kind in _WITH_TEXT else ""
    return ChannelCommand(kind, event_id, text)


def _parsed(packet: bytes) -> dict[str, Any]:
    if len(packet) > MAX_COMMAND_BYTES:
        raise BadMessage(
            f"the command has {len(packet)} bytes and was not read; send a text of at "
            f"most {MAX_TEXT_BYTES} bytes"
        )
    try:
        fields = orjson.loads(packet)
    except orjson.JSONDecodeError as exc:
        raise BadMessage(
            f"not JSON ({exc}); send one JSON object in a packet, as UTF-8"
        ) from None
    if not isinstance(fields, dict):
        raise BadMessage('not a JSON object; send {"event_type": "avatar.interrupt"}')
    return fields


def _event_id(fields: dict[str, Any]) -> str | None:
    match fields.get("event_id"):
        case None:
            return None
        case bool():
            pass
        case str() | int() | float() as value if len(str(value)) <= MAX_EVENT_ID_CHARS:
            return str(value)
    raise BadMessage(
        f'"event_id" must be a string of at most {MAX_EVENT_ID_CHARS} characters or a '
        "number, or be left out"
    )


def _text(fields: dict[str, Any], kind: CommandKind, event_id: str | None) -> str:
    text = fields.get("text")
    if not isinstance(text, str):
        raise BadMessage(
            f'"text" of {kind} is missing or not a string; send the words', event_id
        )
    size = len(text.encode())
    if size > MAX_TEXT_BYTES:
        raise BadMessage(
            f'"text" has {size} bytes; send at most {MAX_TEXT_BYTES} in a command, '
            "and the rest in further commands",
            event_id,
        )
    text = _CONTROL_CHARACTERS.sub(" ", text).strip()
    if not text:
        raise BadMessage(f'"text" of {kind} is empty; send the words', event_id)
    return text


def encode_event(event: ChannelEvent, session_id: str) -> bytes:
    """Return the packet of an event."""
    return orjson.dumps(
        {
            "event_id": event.event_id,
            "event_type": event.kind,
            "session_id": session_id,
            "source_event_id": event.source_event_id,
            **event.fields,
        }
    )
