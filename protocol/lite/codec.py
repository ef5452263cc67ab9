"""
Codec of the LITE WebSocket: wire text to messages and back.

Servers use `decode` and `encode`, clients use `encode_command`.
"""

from collections.abc import Callable
from typing import Any

import orjson
import pybase64

from protocol.errors import BadMessage, TooMuchAudio, quoted
from protocol.lite.base64_audio import (
    AudioTooLong,
    checked_size,
    decode_audio,
    decode_standard,
)
from protocol.lite.messages import (
    EMOTIONS,
    MAX_FRAME_CHARS,
    MAX_PCM_BYTES,
    Ack,
    AgentState,
    ClientMessage,
    Error,
    IdleEnded,
    IdleStarted,
    Interrupt,
    KeepAlive,
    ServerEvent,
    SessionState,
    SessionStopped,
    Speak,
    SpeakEnd,
    SpeakEnded,
    SpeakInterrupted,
    SpeakStarted,
    StartListening,
    StopListening,
    Tolerated,
    Warned,
)

_LARGE_FRAME_CHARS = 1 << 17  # smaller ones are parsed in 3 ms, whatever they hold
_MAX_COMMAS = 2000  # in a large frame: its audio has none, each phone three
_AUDIO_KEY = '"audio"'
# The vendor's Python starter announces its audio format with "start". One third party
# sends "agent.speak_started" by mistake. Neither has an effect.
_TOLERATED = ("start", "agent.speak_started")


def decode(wire: str | bytes) -> ClientMessage:
    """
    Return the client message in one WebSocket frame.

    Raise `BadMessage` if it cannot be read, `TooMuchAudio` if its audio is too long.
    """
    _check_frame(wire)
    fields = _fields_beside_audio(wire)
    if fields is None:
        fields = _fields_of(wire)
    event_id = _event_id(fields)
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise BadMessage(
            f'"type" is missing or not a string; one of {_command_list()}', event_id
        )
    reader = _READERS.get(kind)
    if reader is None:
        raise BadMessage(
            f"unknown type {quoted(kind)}; this server knows {_command_list()}",
            event_id,
        )
    return reader(fields, event_id)


def _fields_of(wire: str | bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(wire)
    except orjson.JSONDecodeError as exc:
        raise BadMessage(
            f"not JSON ({exc}); send one JSON object per text frame"
        ) from None
    if not isinstance(fields, dict):
        raise BadMessage('not a JSON object; send {"type": "agent.speak", ...}')
    return fields


def _fields_beside_audio(wire: str | bytes) -> dict[str, Any] | None:
    """
    Return the fields of a large frame with its audio as bytes; None: read it whole.

    The JSON parser takes six times as long for a text as it takes to decode it from
    base64, so the audio is cut out first. Standard base64 has no quote and no escape:
    where one key is "audio", and its value is empty without what was cut out, that was
    the value.
    """
    if len(wire) <= _LARGE_FRAME_CHARS or not isinstance(wire, str):
        return None
    key = wire.find(_AUDIO_KEY)
    start = wire.find('"', key + len(_AUDIO_KEY)) + 1
    end = wire.find('"', start)
    if key < 0 or not 0 < start <= end:
        return None
    pcm = decode_standard(wire[start:end])
    if pcm is None:
        return None
    rest = wire[:start] + wire[end:]
    if "\\" in rest or rest.count(_AUDIO_KEY) > 1:
        return None
    try:
        fields = _fields_of(rest)
    except BadMessage:  # its reason is that of the whole frame
        return None
    if fields.get("audio") != "":
        return None
    return {**fields, "audio": pcm}


def too_long(length: int) -> TooMuchAudio:
    """Return the error for a message of ``length`` characters that was not read."""
    return TooMuchAudio(
        f"the message has {length} characters and was not read; a message may "
        f"hold {MAX_PCM_BYTES} bytes of PCM: send about one second at a time"
    )


def _check_frame(wire: str | bytes) -> None:
    """Refuse frames that would take long to parse, without parsing them."""
    if len(wire) > MAX_FRAME_CHARS:
        raise too_long(len(wire))
    if len(wire) > _LARGE_FRAME_CHARS and _has_many_values(wire):
        raise BadMessage(
            f"the message has more than {_MAX_COMMAS} values and was not read; "
            "send one command in a message"
        )


def _has_many_values(wire: str | bytes) -> bool:
    find = wire.find if isinstance(wire, str) else wire.decode("latin-1").find
    place = -1
    # `find` passes over base64 much faster than `count`.
    for _ in range(_MAX_COMMAS + 1):
        place = find(",", place + 1)
        if place < 0:
            return False
    return True


def _event_id(fields: dict[str, Any]) -> str | None:
    match fields.get("event_id"):
        case None:
            return None
        case bool():
            pass
        case str() | int() as value:
            return str(value)
    raise BadMessage('"event_id" must be a string, or be left out')


def _pcm(fields: dict[str, Any], event_id: str | None) -> bytes:
    audio = fields.get("audio")
    if not isinstance(audio, str | bytes):
        raise BadMessage(
            '"audio" is missing or not a string; '
            "send base64 of PCM s16le, mono, 24000 Hz",
            event_id,
        )
    try:
        if isinstance(audio, bytes):  # decoded already
            return checked_size(audio)
        return decode_audio(audio)
    except AudioTooLong as exc:
        raise TooMuchAudio(
            f'"audio" holds {exc.size} bytes of PCM; '
            f"a message may hold {MAX_PCM_BYTES}: send about one second at a time",
            event_id,
        ) from None
    except ValueError as exc:
        raise BadMessage(
            f'"audio" is not base64 ({exc}); '
            "send standard base64 of PCM s16le, mono, 24000 Hz",
            event_id,
        ) from None


def _emotion(fields: dict[str, Any], event_id: str | None) -> str | None:
    match fields.get("emotion"):
        case None:
            return None
        case str() as name:
            return name
    names = ", ".join(EMOTIONS)
    raise BadMessage(
        f'"emotion" must be a string, one of {names}, or be left out', event_id
    )


def _speak(fields: dict[str, Any], event_id: str | None) -> Speak:
    pcm, emotion = _pcm(fields, event_id), _emotion(fields, event_id)
    return Speak(pcm, event_id, emotion, fields.get("phones"))


def _speak_end(fields: dict[str, Any], event_id: str | None) -> SpeakEnd:
    audio = _pcm(fields, event_id) if fields.get("audio") is not None else b""
    return SpeakEnd(event_id, audio)


_READERS: dict[str, Callable[[dict[str, Any], str | None], ClientMessage]] = {
    "agent.speak": _speak,
    "agent.speak_end": _speak_end,
    "agent.interrupt": lambda _, event_id: Interrupt(event_id),
    "agent.start_listening": lambda fields, event_id: StartListening(
        event_id, _emotion(fields, event_id)
    ),
    "agent.stop_listening": lambda _, event_id: StopListening(event_id),
    "session.keep_alive": lambda _, event_id: KeepAlive(event_id),
    **{
        kind: lambda fields, event_id: Tolerated(fields["type"], event_id)
        for kind in _TOLERATED
    },
}

COMMANDS = tuple(kind for kind in _READERS if kind not in _TOLERATED)


def _command_list() -> str:
    return ", ".join(COMMANDS)


def encode_command(message: ClientMessage) -> str:
    """Return a client message as wire text."""
    fields: dict[str, Any] = {"type": command_type(message)}
    if isinstance(message, Speak) or (isinstance(message, SpeakEnd) and message.audio):
        fields["audio"] = pybase64.b64encode_as_string(message.audio)
    if message.event_id is not None:
        fields["event_id"] = message.event_id
    if isinstance(message, Speak | StartListening) and message.emotion is not None:
        fields["emotion"] = message.emotion
    if isinstance(message, Speak) and message.phones is not None:
        fields["phones"] = message.phones
    return orjson.dumps(fields).decode()


def command_type(message: ClientMessage) -> str:
    """Return the wire ``type`` of a client message, one of a closed set."""
    match message:
        case Speak():
            return "agent.speak"
        case SpeakEnd():
            return "agent.speak_end"
        case Interrupt():
            return "agent.interrupt"
        case StartListening():
            return "agent.start_listening"
        case StopListening():
            return "agent.stop_listening"
        case KeepAlive():
            return "session.keep_alive"
    return message.type  # Tolerated


def encode(event: ServerEvent) -> str:
    """Return a server event as wire text."""
    return orjson.dumps(_fields(event)).decode()


def _fields(event: ServerEvent) -> dict[str, Any]:
    match event:
        case SessionState(state):
            return {"type": "session.state_updated", "state": state}
        case AgentState(previous, new):
            return {
                "type": "agent.state_updated",
                "previous_state": previous,
                "new_state": new,
            }
        case Ack(kind, event_id, source, task):
            return {
                "type": kind.value,
                "event_id": event_id,
                "source_event_id": source,
                "task": {"id": task},
            }
        case SpeakStarted(event_id, task):
            return _playback("agent.speak_started", event_id, task)
        case SpeakEnded(event_id, task):
            return _playback("agent.speak_ended", event_id, task)
        case SpeakInterrupted(event_id, task, played_ms):
            fields = _playback("agent.speak_interrupted", event_id, task)
            return {**fields, "played_ms": played_ms}
        case _:
            return _session_fields(event)


def _session_fields(
    event: IdleStarted | IdleEnded | Error | Warned | SessionStopped,
) -> dict[str, Any]:
    match event:
        case IdleStarted(task):
            return {"type": "agent.idle_started", "task": {"id": task}}
        case IdleEnded(task):
            return {"type": "agent.idle_ended", "task": {"id": task}}
        case Error(kind, text, event_id):
            error = {"type": kind.value, "message": text, "event_id": event_id}
            return {"type": "error", "error": error}
        case Warned(name, text):
            return {
                "type": "warning",
                "warning": {"type": name.value, "message": text},
            }
    # SessionStopped: the documentation says end_reason, the browser SDK reads
    # stop_reason.
    return {
        "type": "session.stopped",
        "end_reason": event.reason.value,
        "stop_reason": event.reason.value,
        "message": event.text,
    }


def _playback(kind: str, event_id: str, task: str) -> dict[str, Any]:
    return {
        "type": kind,
        "event_id": event_id,
        "source_event_id": event_id,
        "task": {"id": task},
    }
