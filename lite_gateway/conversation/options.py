"""Settings of conversations: services for speech and language, and their limits."""

from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from lite_gateway.errors import ConfigError
from lite_gateway.setting_fields import check_setting, env_name, setting

_URLS = ("stt_url", "tts_url", "llm_url", "realtime_url", "gemini_url")
_TURNS = ("semantic_vad", "server_vad")
_BARGE_IN_S = (0.1, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationOptions:
    """Settings of conversations. `Config` has them too, as fields of its own."""

    conversations: str = setting(
        "auto",
        "conversations: auto if lite-gateway[agent] is installed, or off",
    )
    stt_url: str = setting(
        "",
        "URL of an OpenAI-compatible speech-to-text service, up to /v1; if empty, the "
        "built-in one",
    )
    stt_key: str = setting("", "API key of LITE_STT_URL", secret=True)
    stt_model: str = setting("whisper-1", "model of LITE_STT_URL")
    tts_url: str = setting(
        "",
        "URL of an OpenAI-compatible text-to-speech service, up to /v1; if empty, the "
        "built-in one",
    )
    tts_key: str = setting("", "API key of LITE_TTS_URL", secret=True)
    tts_model: str = setting("tts-1", "model of LITE_TTS_URL")
    tts_voice: str = setting(
        "alloy", "voice of LITE_TTS_URL for sessions that name no voice"
    )
    llm_url: str = setting(
        "",
        "URL of an OpenAI-compatible language model, up to /v1, for sessions without "
        "llm_configuration_id; if empty, built-in scripted answers",
    )
    llm_key: str = setting("", "API key of LITE_LLM_URL", secret=True)
    llm_model: str = setting("", "model of LITE_LLM_URL")
    realtime_url: str = setting(
        "https://api.openai.com/v1",
        "URL of the Realtime API for sessions without a base_url of their own",
    )
    realtime_model: str = setting(
        "gpt-realtime", "Realtime model for sessions that name none"
    )
    realtime_turns: str = setting(
        "semantic_vad",
        "turn detection of the Realtime API: semantic_vad or server_vad",
    )
    gemini_url: str = setting(
        "", "URL of Gemini's Live API, without its path; if empty, Google's"
    )
    barge_in_s: float = setting(
        0.5, "seconds of voice after which a user interrupts the avatar"
    )
    transcripts: str = setting(
        "on",
        "transcripts of conversations: on keeps them in the database for "
        "LITE_HISTORY_DAYS, off keeps none",
    )

    def check_conversation(self) -> None:
        """Raise `ConfigError` if one of these settings cannot be used."""
        check = partial(check_setting, self)
        for name in _URLS:
            url = getattr(self, name)
            optional = name != "realtime_url"
            check(
                name,
                (optional and not url) or _is_http_url(url),
                "a URL that begins with http:// or https://, without user and query",
            )
        check(
            "realtime_turns",
            self.realtime_turns in _TURNS,
            "semantic_vad or server_vad",
        )
        shortest, longest = _BARGE_IN_S
        check("barge_in_s", shortest <= self.barge_in_s <= longest, "0.1 to 10")
        check("conversations", self.conversations in ("auto", "off"), "auto or off")
        check("transcripts", self.transcripts in ("on", "off"), "on or off")
        for kind in ("stt", "tts", "llm"):
            if getattr(self, f"{kind}_key") and not getattr(self, f"{kind}_url"):
                url = env_name(f"{kind}_url")
                raise ConfigError(
                    env_name(f"{kind}_key"),
                    f"it is set, and {url} is not, so nothing would use it",
                    f"Set {url}, for example to https://api.openai.com/v1.",
                )
        if self.llm_url and not self.llm_model:
            raise ConfigError(
                env_name("llm_model"),
                f"it is not set, and {env_name('llm_url')} is",
                "Name a model of that service.",
            )
        for name in ("stt_model", "tts_model", "tts_voice", "realtime_model"):
            check(name, bool(getattr(self, name)), "a name that is not empty")

    @property
    def keeps_transcripts(self) -> bool:
        """True if transcripts are stored."""
        return self.transcripts == "on"


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    return valid and plain and parts.scheme in ("http", "https")
