"""
Messages of the data channel as plain data.

Clients and back ends in the room send a `ChannelCommand` on `COMMAND_TOPIC`, the
server sends a `ChannelEvent` on `EVENT_TOPIC`. Both are JSON in reliable data packets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

COMMAND_TOPIC = "agent-control"
EVENT_TOPIC = "agent-response"
MAX_TEXT_BYTES = 15_000  # of a command's text, in UTF-8
MAX_COMMAND_BYTES = 1 << 17  # of a packet: the longest text with each byte escaped
MAX_EVENT_ID_CHARS = 128
# LiveKit delivers reliable packets of up to 15 KiB; its own header is in that.
MAX_EVENT_BYTES = 15_000


class CommandKind(StrEnum):
    """Wire type of a `ChannelCommand`."""

    SPEAK_TEXT = "avatar.speak_text"
    SPEAK_RESPONSE = "avatar.speak_response"
    INTERRUPT = "avatar.interrupt"
    START_LISTENING = "avatar.start_listening"
    STOP_LISTENING = "avatar.stop_listening"
    START_PUSH_TO_TALK = "user.start_push_to_talk"
    STOP_PUSH_TO_TALK = "user.stop_push_to_talk"
    STOP_SESSION = "session.stop"


# Commands that clients of the hosted service know, with the reason to refuse them.
NOT_OFFERED = {
    "session.update": "its settings cannot change: mint another session",
    "avatar.speak_audio": "its voice speaks text: send avatar.speak_text",
    "elevenlabs_agent_command": "agents of ElevenLabs are not offered",
}


@dataclass(frozen=True, slots=True)
class ChannelCommand:
    """Command of a client; ``text`` is empty unless its kind has one."""

    kind: CommandKind
    event_id: str | None = None
    text: str = ""


class EventKind(StrEnum):
    """Wire type of a `ChannelEvent`."""

    USER_SPEAK_STARTED = "user.speak_started"
    USER_SPEAK_ENDED = "user.speak_ended"
    USER_CHUNK = "user.transcription.chunk"
    USER_TRANSCRIPTION = "user.transcription"
    AVATAR_SPEAK_STARTED = "avatar.speak_started"
    AVATAR_SPEAK_ENDED = "avatar.speak_ended"
    AVATAR_CHUNK = "avatar.transcription.chunk"
    AVATAR_TRANSCRIPTION = "avatar.transcription"
    AVATAR_HEARD = "avatar.transcription.heard"
    PUSH_TO_TALK_STARTED = "user.push_to_talk_started"
    PUSH_TO_TALK_START_FAILED = "user.push_to_talk_start_failed"
    PUSH_TO_TALK_STOPPED = "user.push_to_talk_stopped"
    SESSION_STOPPED = "session.stopped"
    ERROR = "error"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class ChannelEvent:
    """
    Event for everybody in the room.

    ``source_event_id`` is that of the command that caused it, None if none did or if it
    had none. ``fields`` are those of its kind.
    """

    kind: EventKind
    event_id: str
    source_event_id: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
