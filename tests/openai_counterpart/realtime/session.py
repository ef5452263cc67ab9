"""Settings of a Realtime session, and their changes."""

import copy
from typing import Any

from tests.openai_counterpart.realtime.events import RefusedEvent

VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo"),
    *("sage", "shimmer", "verse", "marin", "cedar"),
)


def new_session(session_id: str, model: str) -> dict[str, Any]:
    """Return the settings of a session that nobody has changed."""
    pcm = {"type": "audio/pcm", "rate": 24_000}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "You are a helpful assistant.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "audio": {
            "input": {
                "format": pcm,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 200,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": pcm, "voice": "alloy", "speed": 1.0},
        },
    }


def updated(
    session: dict[str, Any], change: dict[str, Any], *, has_spoken: bool
) -> dict[str, Any]:
    """Return the settings after a change; raise `RefusedEvent` if OpenAI refuses it."""
    if change.get("type") != session["type"]:
        raise RefusedEvent(
            "Passing a session of another type is not allowed.",
            "invalid_value",
            param="session.type",
        )
    if change.get("model") not in (None, session["model"]):
        raise RefusedEvent(
            "The model of a session cannot be changed.",
            "invalid_value",
            param="session.model",
        )
    audio = change.get("audio") or {}
    output, audio_in = audio.get("output") or {}, audio.get("input") or {}
    _check_voice(output.get("voice"), session, has_spoken=has_spoken)
    for side in (output, audio_in):
        sound = side.get("format")
        if sound is not None and sound.get("type") != "audio/pcm":
            raise RefusedEvent(
                "The counterpart knows audio/pcm alone.",
                "invalid_value",
                param="session.audio",
            )
    modalities = change.get("output_modalities")
    if modalities is not None and modalities not in (["audio"], ["text"]):
        raise RefusedEvent(
            f"Invalid modalities: {modalities}. Supported combinations are: "
            "['text'] and ['audio'].",
            "invalid_value",
            param="session.output_modalities",
        )
    speed = output.get("speed")
    if speed is not None and not 0.25 <= speed <= 1.5:
        raise RefusedEvent(
            "speed must be between 0.25 and 1.5.",
            "invalid_value",
            param="session.audio.output.speed",
        )
    return _merged(session, change)


def _check_voice(voice: Any, session: dict[str, Any], *, has_spoken: bool) -> None:
    if voice is None:
        return
    if isinstance(voice, str) and voice not in VOICES:
        raise RefusedEvent(
            f"Invalid value: '{voice}'. Supported values are: {', '.join(VOICES)}.",
            "invalid_value",
            param="session.audio.output.voice",
        )
    if has_spoken and voice != session["audio"]["output"]["voice"]:
        raise RefusedEvent(
            "Cannot update a conversation's voice if assistant audio is present.",
            "cannot_update_voice",
            param="session.audio.output.voice",
        )


def _merged(old: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return ``old`` with the fields of ``change``; inner objects are merged too."""
    result = copy.deepcopy(old)
    for name, value in change.items():
        known = result.get(name)
        # Turn detection of another type has other fields, so it is replaced.
        is_whole = name in ("turn_detection", "transcription", "noise_reduction")
        if isinstance(value, dict) and isinstance(known, dict) and not is_whole:
            result[name] = _merged(known, value)
        else:
            result[name] = copy.deepcopy(value)
    return result
