"""Plans of conversations: what a request names, looked up in the database."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.orm import Session as Db

from lite_gateway.api.conversation_requests import ConversationRequest
from lite_gateway.api.secrets import SecretKind
from lite_gateway.config import Config
from lite_gateway.conversation.plan import (
    OPENAI_URL,
    ConversationPlan,
    LlmChoice,
    RealtimeChoice,
    VoiceChoice,
)
from lite_gateway.conversation.variables import replace_variables, variable_names
from lite_gateway.conversation.voices import (
    BuiltInVoice,
    built_in_voice,
    voice_of_package,
)
from lite_gateway.errors import Refused
from lite_gateway.store.models import (
    AvatarOverrideRow,
    ContextRow,
    LlmConfigurationRow,
    SecretRow,
    VoiceRow,
)
from protocol.link.settings import Mode
from renderer.avatar import Avatar

# Characters of a context with its variables replaced: a variable may occur often. They
# are kept until the session ends, and fit into one message to the agent process.
MAX_CONTEXT_LENGTH = 200_000
GEMINI_MODEL = "gemini-3.1-flash-live-preview"

_LLM_KINDS = (SecretKind.LLM, SecretKind.OPENAI, SecretKind.GEMINI)
# Providers with OpenAI's interface, or that LITE_TTS_URL may stand in front of.
_VOICE_KINDS = (
    *(SecretKind.OPENAI, SecretKind.LLM, SecretKind.ELEVENLABS, SecretKind.CARTESIA),
)


class ConversationPlanner:
    """Reader of the rows that one request names, in one transaction."""

    def __init__(
        self,
        db: Db,
        config: Config,
        request: ConversationRequest,
        built_in: Collection[BuiltInVoice],
    ) -> None:
        self._db = db
        self._config = config
        self._request = request
        self._built_in = built_in

    def plan(self, mode: Mode, avatar: Avatar) -> ConversationPlan:
        """
        Return the plan of the conversation with ``avatar``.

        Raise `Refused` with 404 for an id that is unknown, with 422 for a row that
        does not fit, or a variable without a value.
        """
        context_id = self._request.context_id
        instructions, opening_text = "", ""
        if context_id is not None:
            instructions, opening_text = self._context(context_id)
        if mode != "FULL":
            return ConversationPlan(
                mode,
                instructions=instructions,
                opening_text=opening_text,
                realtime=self._realtime(mode),
                push_to_talk=self._request.push_to_talk,
            )
        persona = self._request.avatar_persona
        return ConversationPlan(
            mode,
            instructions=instructions,
            opening_text=opening_text,
            llm=self._llm(self._request.llm_configuration_id),
            voice=self._voice(persona.voice_id if persona else None, avatar),
            language=persona.language if persona else "en",
            push_to_talk=self._request.push_to_talk,
            answers=context_id is not None,
        )

    def _context(self, context_id: str) -> tuple[str, str]:
        """Return instructions and opening text, with values for the variables."""
        row = self._db.get(ContextRow, context_id)
        if row is None:
            raise Refused(404, "context_id: no such context; see GET /v1/contexts")
        values = self._request.dynamic_variables or {}
        opening_text = row.opening_text or ""
        instructions = row.prompt + linked_text(row)
        missing = [
            f"${{{name}}}"
            for name in variable_names(instructions, opening_text)
            if name not in values
        ]
        if missing:
            raise Refused(
                422,
                f"the context uses {', '.join(missing)}, without a value; send one in "
                "dynamic_variables",
            )
        instructions = replace_variables(instructions, values)
        opening_text = replace_variables(opening_text, values)
        length = len(instructions) + len(opening_text)
        if length > MAX_CONTEXT_LENGTH:
            raise Refused(
                422,
                f"the context has {length} characters with its variables and links; "
                f"at most {MAX_CONTEXT_LENGTH} are possible",
            )
        return instructions, opening_text

    def _llm(self, llm_id: UUID | None) -> LlmChoice | None:
        if llm_id is None:
            return None
        row = self._db.get(LlmConfigurationRow, str(llm_id))
        if row is None:
            raise Refused(
                404,
                "llm_configuration_id: no such LLM configuration; see GET "
                "/v1/llm-configurations",
            )
        self._secret(row.secret_id, "llm_configuration_id: its secret", _LLM_KINDS)
        return LlmChoice(row.base_url, row.model_name, row.secret_id)

    def _voice(self, voice_id: UUID | None, avatar: Avatar) -> VoiceChoice | None:
        """Return the voice of an id, else that of the avatar, else None."""
        if voice_id is not None:
            choice = self._built_in_voice(str(voice_id))
            return choice or self._voice_of_provider(str(voice_id))
        override = self._db.get(AvatarOverrideRow, avatar.name)
        if override is not None and override.default_voice_id is not None:
            return self._voice_of_provider(override.default_voice_id)
        if override is not None and override.built_in_voice_id is not None:
            choice = self._built_in_voice(override.built_in_voice_id)
            if choice is not None:  # its package is installed still
                return choice
        voice = voice_of_package(avatar.voice, self._config, self._built_in)
        return VoiceChoice(voice.name) if voice else None

    def _built_in_voice(self, voice_id: str) -> VoiceChoice | None:
        """Return the built-in voice with an id, None if there is none."""
        voice = built_in_voice(voice_id, self._built_in)
        return VoiceChoice(voice.name) if voice else None

    def _voice_of_provider(self, voice_id: str) -> VoiceChoice:
        row = self._db.get(VoiceRow, voice_id)
        if row is None:
            raise Refused(404, "voice_id: no such voice; see GET /v1/voices")
        kind = self._secret(row.secret_id, "voice_id: its secret", _VOICE_KINDS)
        if self._config.tts_url:
            return VoiceChoice(row.provider_voice_id, row.secret_id)
        if kind != SecretKind.OPENAI:
            raise Refused(
                422,
                f"voice_id: its secret has the type {kind.value}; without LITE_TTS_URL "
                "only voices of OpenAI can be used, and the built-in one",
            )
        return VoiceChoice(row.provider_voice_id, row.secret_id, OPENAI_URL)

    def _realtime(self, mode: Mode) -> RealtimeChoice | None:
        config = self._request.realtime_config
        if config is None:
            return None
        base_url = self._request.base_url or ""
        kinds = [SecretKind.GEMINI]
        model = config.model or GEMINI_MODEL
        if mode == "OPENAI_REALTIME":
            elsewhere = base_url or self._config.realtime_url != OPENAI_URL
            # The key of another server is no key of OpenAI, which must not see it.
            kinds = [SecretKind.OPENAI, *([SecretKind.LLM] if elsewhere else ())]
            model = config.model or self._config.realtime_model
        secret_id = str(config.secret_id)
        self._secret(secret_id, "secret_id", kinds)
        return RealtimeChoice(
            secret_id, config.voice, model, config.temperature, base_url
        )

    def _secret(
        self, secret_id: str, name: str, kinds: Collection[SecretKind]
    ) -> SecretKind:
        """Return the type of a secret, which must be one of ``kinds``."""
        row = self._db.get(SecretRow, secret_id)
        if row is None:
            raise Refused(404, f"{name}: no such secret; see POST /v1/secrets")
        if row.kind not in kinds:
            raise Refused(
                422,
                f"{name} has the type {row.kind}; it must be {' or '.join(kinds)}",
            )
        return SecretKind(row.kind)


def linked_text(row: ContextRow) -> str:
    """Return what a context's links add to its prompt; it may have variables too."""
    if not row.links:
        return ""
    lines = [f"- {link['url']}\n{link['faq']}" for link in row.links]
    return "\n\n".join(
        ["", "Pages that you know, and what you know from them:", *lines]
    )
