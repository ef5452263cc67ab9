"""Settings of one conversation, as the gateway hands them to its agent process."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

Mode = Literal["FULL", "OPENAI_REALTIME", "GEMINI_REALTIME"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Service with OpenAI's HTTP interface; ``base_url`` is used as it is written."""

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    voice: str = ""  # of text-to-speech and of Realtime
    trusted: bool = False  # named by the operator: it may have a private address
    tells_phones: bool = False  # text-to-speech with the event `PHONES_EVENT`


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """Settings of a conversation; the agent process knows nothing else about it."""

    session_id: str
    room_url: str
    room_token: str = field(repr=False)
    avatar_identity: str
    mode: Mode
    instructions: str = field(default="", repr=False)
    opening_text: str = field(default="", repr=False)
    language: str = "en"
    answers: bool = True  # False: it hears and transcribes, and never speaks by itself
    push_to_talk: bool = False
    barge_in_s: float = 0.5
    wait_for_listener: bool = True  # speak the opening when somebody hears it
    stt: Endpoint | None = None
    llm: Endpoint | None = None
    tts: Endpoint | None = None
    realtime: Endpoint | None = None
    temperature: float | None = None
    turns: str = "semantic_vad"  # turn detection of Realtime's server, or server_vad
    allowed_hosts: tuple[str, ...] = ()  # entries of LITE_ALLOWED_HOSTS

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that no log and no error may repeat."""
        endpoints = (self.stt, self.llm, self.tts, self.realtime)
        keys = (endpoint.key for endpoint in endpoints if endpoint is not None)
        return tuple(filter(None, (self.room_token, *keys)))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the settings of a JSON object; raise `TypeError` for another one."""
        endpoints = {
            name: Endpoint(**values[name])
            for name in ("stt", "llm", "tts", "realtime")
            if values.get(name) is not None
        }
        allowed = tuple(values.get("allowed_hosts", ()))
        return cls(**{**values, **endpoints, "allowed_hosts": allowed})
