"""Plan of a conversation: ids of a request, resolved when its session is created."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from lite_gateway.config import Config
from lite_gateway.errors import Refused
from lite_gateway.foreign.addresses import HTTP_FORM, AddressGuard
from protocol.link.settings import ConversationSettings, Endpoint, Mode

OPENAI_URL = "https://api.openai.com/v1"
# Name under which the built-in speech server is asked.
EMBEDDED_MODEL = "built-in"
_RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class LlmChoice:
    """LLM configuration that a session names."""

    base_url: str
    model: str
    secret_id: str


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """
    Voice that a session names.

    ``base_url`` is the service to ask; if empty, that of LITE_TTS_URL. Without a
    ``secret_id`` it is a voice of the built-in text-to-speech.
    """

    provider_voice_id: str
    secret_id: str = ""
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class RealtimeChoice:
    """Model that hears and speaks itself, and the settings that a session gives it."""

    secret_id: str
    voice: str
    model: str
    temperature: float
    base_url: str = ""  # if empty, the operator's


@dataclass(frozen=True, slots=True)
class AgentRoom:
    """Room that the agent joins, and the identity of the avatar in it."""

    url: str
    token: str = field(repr=False)
    avatar_identity: str


@dataclass(frozen=True, slots=True)
class ConversationPlan:
    """
    Conversation of a session, fixed when the session is created.

    It has ids of secrets and no values; `settings` gets the values.
    """

    mode: Mode
    instructions: str = field(default="", repr=False)
    opening_text: str = field(default="", repr=False)
    llm: LlmChoice | None = None
    voice: VoiceChoice | None = None
    realtime: RealtimeChoice | None = None
    language: str = "en"
    push_to_talk: bool = False
    answers: bool = True  # False without a context: it hears, and never answers

    @property
    def secret_ids(self) -> tuple[str, ...]:
        """Ids of the secrets that `settings` needs, each once."""
        chosen = (self.llm, self.voice, self.realtime)
        ids = [choice.secret_id for choice in chosen if choice is not None]
        return tuple(dict.fromkeys(filter(None, ids)))

    def needs_built_in(self, config: Config) -> bool:
        """Return whether the built-in speech server has a part in it."""
        if self.mode != "FULL":
            return False
        own_voice = self.voice is not None and bool(self.voice.secret_id)
        return not (
            config.stt_url
            and (self.llm is not None or config.llm_url)
            and (own_voice or (self.voice is None and config.tts_url))
        )

    def check_spelling(self, addresses: AddressGuard) -> None:
        """Raise `Refused` with 422 for a base URL that is refused as it is written."""
        for name, url in self._foreign_urls():
            addresses.check_spelling(url, name, HTTP_FORM)

    async def check_addresses(self, addresses: AddressGuard) -> None:
        """Raise `Refused` with 400 unless the hosts of all base URLs may be reached."""
        for name, url in self._foreign_urls():
            try:
                await addresses.check(url, name, HTTP_FORM)
            except Refused as refused:
                raise Refused(400, str(refused)) from None

    def _foreign_urls(self) -> list[tuple[str, str]]:
        """Return the URLs that no setting of the operator names, with their fields."""
        urls = []
        if self.llm is not None:
            urls.append(("base_url of llm_configuration_id", self.llm.base_url))
        if self.realtime is not None and self.realtime.base_url:
            urls.append(("base_url", self.realtime.base_url))
        return urls

    def settings(
        self,
        session_id: str,
        room: AgentRoom,
        config: Config,
        *,
        secrets: Mapping[str, str],
        embedded: Endpoint | None,
    ) -> ConversationSettings:
        """
        Return the settings for the agent process.

        ``secrets`` has the values of `secret_ids` by id. ``embedded`` is the built-in
        speech server, with its default voice; without it, a plan that needs it is
        `Refused` with 503.
        """
        services = _Services(config, secrets, embedded)
        full = self.mode == "FULL"
        return ConversationSettings(
            session_id=session_id,
            room_url=room.url,
            room_token=room.token,
            avatar_identity=room.avatar_identity,
            mode=self.mode,
            instructions=self.instructions,
            opening_text=self.opening_text,
            language=self.language,
            answers=self.answers,
            push_to_talk=self.push_to_talk,
            barge_in_s=config.barge_in_s,
            stt=services.stt() if full else None,
            llm=services.llm(self.llm) if full else None,
            tts=services.tts(self.voice) if full else None,
            realtime=services.realtime(self.realtime, self.mode),
            temperature=self.realtime.temperature if self.realtime else None,
            turns=config.realtime_turns,
            allowed_hosts=config.allowed,
        )


@dataclass(frozen=True, slots=True)
class _Services:
    """Endpoints of one conversation: its own choices, or the operator's settings."""

    config: Config
    secrets: Mapping[str, str]
    embedded: Endpoint | None

    def stt(self) -> Endpoint:
        config = self.config
        if not config.stt_url:
            return self._embedded()
        return _trusted(config.stt_url, config.stt_model, config.stt_key)

    def llm(self, choice: LlmChoice | None) -> Endpoint:
        config = self.config
        if choice is not None:
            key = self._secret(choice.secret_id)
            return Endpoint(effective_url(choice.base_url), choice.model, key)
        if not config.llm_url:
            return self._embedded()
        return _trusted(config.llm_url, config.llm_model, config.llm_key)

    def tts(self, choice: VoiceChoice | None) -> Endpoint:
        config = self.config
        if choice is not None and not choice.secret_id:
            return self._embedded(choice.provider_voice_id)
        if choice is not None:
            key = self._secret(choice.secret_id)
            url = choice.base_url or config.tts_url
            return _trusted(url, config.tts_model, key, choice.provider_voice_id)
        if not config.tts_url:
            return self._embedded(self.embedded.voice if self.embedded else "")
        voice = config.tts_voice
        return _trusted(config.tts_url, config.tts_model, config.tts_key, voice)

    def realtime(self, choice: RealtimeChoice | None, mode: Mode) -> Endpoint | None:
        if choice is None:
            return None
        # If empty, Google's service is at an address that its client knows.
        default = self.config.gemini_url
        if mode == "OPENAI_REALTIME":
            default = self.config.realtime_url
        url = effective_url(choice.base_url or default)
        return Endpoint(
            base_url=url,
            model=choice.model,
            key=self._secret(choice.secret_id),
            voice=choice.voice,
            trusted=not choice.base_url,
        )

    def _embedded(self, voice: str = "") -> Endpoint:
        if self.embedded is None:
            raise Refused(
                503, "the built-in speech is not ready; try again", retry_s=_RETRY_S
            )
        own = self.embedded
        return replace(own, model=EMBEDDED_MODEL, voice=voice, trusted=True)

    def _secret(self, secret_id: str) -> str:
        try:
            return self.secrets[secret_id]
        except KeyError:
            raise Refused(
                409,
                f"the secret {secret_id} was deleted after this session was created; "
                "create a new session",
            ) from None


def _trusted(url: str, model: str, key: str, voice: str = "") -> Endpoint:
    return Endpoint(effective_url(url), model, key, voice, trusted=True)


def effective_url(base_url: str) -> str:
    """
    Return the URL that requests are made below: ``base_url`` as it is written.

    OpenAI's host without a path means its ``/v1``, as in the service's guide.
    """
    parts = urlsplit(base_url)
    is_openai = parts.hostname == "api.openai.com" and parts.path in ("", "/")
    return OPENAI_URL if is_openai and parts.scheme == "https" else base_url
