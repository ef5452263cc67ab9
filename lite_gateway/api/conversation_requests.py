"""Fields of POST /v1/sessions/token that ask for a conversation."""

import uuid
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from lite_gateway.api.envelope import ShortText
from lite_gateway.conversation.variables import MAX_NAME_LENGTH
from lite_gateway.errors import Refused
from protocol.link.settings import Mode

MAX_VARIABLES = 50
MAX_VALUE_LENGTH = 1000  # characters

# Voices that OpenAI's Realtime API has, by its reference, and those that only its
# text-to-speech has: the service's API reference names them all.
OpenAiVoice = Literal[
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "fable",
    "onyx",
    "nova",
    "shimmer",
    "sage",
    "verse",
    "marin",
    "cedar",
]
_NOT_REALTIME = ("fable", "onyx", "nova")
GeminiVoice = Literal[
    "Achernar",
    "Achird",
    "Algenib",
    "Algieba",
    "Alnilam",
    "Aoede",
    "Autonoe",
    "Callirrhoe",
    "Charon",
    "Despina",
    "Enceladus",
    "Erinome",
    "Fenrir",
    "Gacrux",
    "Iapetus",
    "Kore",
    "Laomedeia",
    "Leda",
    "Orus",
    "Puck",
    "Pulcherrima",
    "Rasalgethi",
    "Sadachbia",
    "Sadaltager",
    "Schedar",
    "Sulafat",
    "Umbriel",
    "Vindemiatrix",
    "Zephyr",
    "Zubenelgenubi",
]
# Fields of other systems that this server has no counterpart of, and the reason.
_UNSUPPORTED = {
    "elevenlabs_agent_config": "agents of ElevenLabs cannot be reached from here; use "
    "openai_realtime_config, or mode FULL with llm_configuration_id",
    "voice_agent": "this server keeps no voice agents; send avatar_persona with mode "
    "FULL",
    "agora_config": "this server publishes to LiveKit only; send no agora_config",
    "memory": "this server remembers nothing between sessions; put what the avatar "
    "should know into its context",
}
_CONNECTORS = ("openai_realtime_config", "gemini_realtime_config")
_CONVERSATION_FIELDS = ("dynamic_variables", "interactivity_type")


def _none_if_empty(value: Any) -> Any:
    """Return None for an empty text, which clients send for "no id"."""
    return None if value == "" else value


def _check_range(lowest: float, highest: float, value: float) -> float:
    if not lowest <= value <= highest:
        raise ValueError(f"must be {lowest:g} to {highest:g}")
    return value


# Numbers with bounds, whose error names both of them.
OpenAiTemperature = Annotated[
    float,
    AfterValidator(partial(_check_range, 0.6, 1.2)),
    WithJsonSchema({"type": "number", "minimum": 0.6, "maximum": 1.2}),
]
GeminiTemperature = Annotated[
    float,
    AfterValidator(partial(_check_range, 0.0, 2.0)),
    WithJsonSchema({"type": "number", "minimum": 0.0, "maximum": 2.0}),
]
OptionalId = Annotated[uuid.UUID | None, BeforeValidator(_none_if_empty)]
VariableName = Annotated[str, StringConstraints(max_length=MAX_NAME_LENGTH)]
VariableValue = Annotated[str, StringConstraints(max_length=MAX_VALUE_LENGTH)]


class AvatarPersona(BaseModel):
    """Context, voice and language of FULL mode. Other fields are ignored."""

    context_id: OptionalId = None
    voice_id: OptionalId = None
    language: Annotated[
        str, StringConstraints(pattern="^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")
    ] = "en"


class RealtimeConfig(BaseModel):
    """Fields that both connectors have."""

    secret_id: uuid.UUID
    context_id: OptionalId = None
    model: ShortText | None = None


class OpenAiRealtimeConfig(RealtimeConfig):
    """OpenAI's Realtime API. Extension: ``base_url``, of a server with that API."""

    voice: OpenAiVoice = "alloy"
    temperature: OpenAiTemperature = 0.8
    base_url: ShortText | None = None


class GeminiRealtimeConfig(RealtimeConfig):
    """Gemini's Live API."""

    voice: GeminiVoice = "Puck"
    temperature: GeminiTemperature = 0.8


class ConversationRequest(BaseModel):
    """
    Part of the token request that asks for a conversation: FULL mode or a connector.

    In plain LITE mode these fields are ignored, as all unknown ones: clients send them.
    """

    mode: Literal["LITE", "CUSTOM", "FULL"] = "LITE"
    avatar_persona: AvatarPersona | None = None
    llm_configuration_id: OptionalId = None
    interactivity_type: Literal["CONVERSATIONAL", "PUSH_TO_TALK"] = "CONVERSATIONAL"
    dynamic_variables: (
        Annotated[dict[VariableName, VariableValue], Field(max_length=MAX_VARIABLES)]
        | None
    ) = None
    openai_realtime_config: OpenAiRealtimeConfig | None = None
    gemini_realtime_config: GeminiRealtimeConfig | None = None
    elevenlabs_agent_config: Any = None
    voice_agent: Any = None
    agora_config: Any = None
    memory: Any = None

    @model_validator(mode="before")
    @classmethod
    def _ignore_what_lite_has_not(cls, body: Any) -> Any:
        if not isinstance(body, dict) or body.get("mode", "LITE") == "FULL":
            return body
        ignored = ["llm_configuration_id"]
        if all(body.get(name) is None for name in _CONNECTORS):
            ignored += _CONVERSATION_FIELDS
        kept = {name: value for name, value in body.items() if name not in ignored}
        return {**kept, "avatar_persona": _recorded(body.get("avatar_persona"))}

    @property
    def conversation_mode(self) -> Mode | None:
        """Kind of conversation, None if clients send the speech themselves."""
        if self.mode == "FULL":
            return "FULL"
        if self.openai_realtime_config is not None:
            return "OPENAI_REALTIME"
        return "GEMINI_REALTIME" if self.gemini_realtime_config is not None else None

    @property
    def push_to_talk(self) -> bool:
        """True if commands of the client begin and end the turns of the user."""
        return self.interactivity_type == "PUSH_TO_TALK"

    @property
    def realtime_config(self) -> OpenAiRealtimeConfig | GeminiRealtimeConfig | None:
        return self.openai_realtime_config or self.gemini_realtime_config

    @property
    def context_id(self) -> str | None:
        """Id of the context, which the history records."""
        source = self.realtime_config or self.avatar_persona
        found = source.context_id if source is not None else None
        return str(found) if found is not None else None

    @property
    def base_url(self) -> str | None:
        """URL of a server that the request itself names, to send a secret to."""
        config = self.openai_realtime_config
        return config.base_url if config is not None else None

    def refuse_unsupported(self) -> None:
        """Raise `Refused` for what this server does not offer, or not together."""
        for name, reason in _UNSUPPORTED.items():
            if getattr(self, name) is not None:
                raise Refused(422, f"{name} is not offered here: {reason}")
        named = [name for name in _CONNECTORS if getattr(self, name) is not None]
        if len(named) > 1:
            raise Refused(422, f"send one of {' and '.join(named)}, not both")
        if self.mode == "FULL" and named:
            raise Refused(422, f'{named[0]} needs {{"mode": "LITE"}}')
        if self.push_to_talk and self.gemini_realtime_config is not None:
            raise Refused(
                422,
                "interactivity_type PUSH_TO_TALK is not offered with "
                "gemini_realtime_config: Gemini finds the turns of the user; use "
                "openai_realtime_config, or mode FULL",
            )
        if self.mode == "FULL" and self.avatar_persona is None:
            raise Refused(
                422,
                'mode FULL needs avatar_persona, for example {"context_id": "<uuid>"}; '
                'to send speech yourself, use {"mode": "LITE"}',
            )

    def notes(self) -> list[str]:
        """Return sentences about settings that OpenAI treats otherwise."""
        config = self.openai_realtime_config
        if config is None:
            return []
        notes = []
        if config.voice in _NOT_REALTIME:
            notes.append(
                f"OpenAI's Realtime API does not list the voice {config.voice}, which "
                "its text-to-speech has, and may refuse it when the session starts"
            )
        if "temperature" in config.model_fields_set:
            notes.append(
                "OpenAI's Realtime API has no temperature since its general release: "
                "it has no effect"
            )
        return notes


def _recorded(persona: Any) -> dict[str, str] | None:
    """Return the context of a persona that is ignored, else None."""
    text = persona.get("context_id") if isinstance(persona, dict) else None
    try:
        return {"context_id": str(uuid.UUID(text))} if isinstance(text, str) else None
    except ValueError:
        return None
