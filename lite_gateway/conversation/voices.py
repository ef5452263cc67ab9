"""Voices of the built-in text-to-speech, as the API offers them."""

from collections.abc import Iterable
from dataclasses import dataclass

from lite_gateway.config import Config
from lite_gateway.conversation.extra import is_installed


@dataclass(frozen=True, slots=True)
class BuiltInVoice:
    """Voice with a fixed id; ``name`` is also its name in the speech process."""

    id: str
    name: str
    gender: str
    description: str
    language: str = "en"


HIBARI_VOICES = (
    BuiltInVoice(
        "5c3f5d1e-7b0a-4b0e-9d0f-6f1c2a4e8b31",
        "heart",
        "female",
        "American English, built in",
    ),
    BuiltInVoice(
        "b1d0a7c2-3c68-4f0c-8a55-0d9e6a1f7e24",
        "heart-low",
        "male",
        "American English, built in; made from heart",
    ),
)


def built_in_voices() -> tuple[BuiltInVoice, ...]:
    """Return the voices whose package is installed."""
    return HIBARI_VOICES if is_installed("hibari") else ()


def built_in_voice(
    voice_id: str | None, built_in: Iterable[BuiltInVoice]
) -> BuiltInVoice | None:
    """Return the built-in voice with an id, None if it is not there."""
    return next((voice for voice in built_in if voice.id == voice_id), None)


def voice_of_package(
    name: str, config: Config, built_in: Iterable[BuiltInVoice]
) -> BuiltInVoice | None:
    """
    Return the voice that an avatar's package names, None if that has no effect.

    ``name`` may be empty, ``built_in`` are the voices that are there. With the
    operator's own text-to-speech service, the default is that service's voice.
    """
    if config.tts_url:
        return None
    return next((voice for voice in built_in if voice.name == name), None)
