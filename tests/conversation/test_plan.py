"""Settings for the agent process: defaults, choices, trust and secrets."""

import asyncio
from dataclasses import fields

import pytest

from lite_gateway.config import Config
from lite_gateway.conversation.plan import (
    EMBEDDED_MODEL,
    OPENAI_URL,
    AgentRoom,
    ConversationPlan,
    LlmChoice,
    RealtimeChoice,
    VoiceChoice,
    effective_url,
)
from lite_gateway.errors import Refused
from lite_gateway.foreign.addresses import AddressGuard
from protocol.link.settings import Endpoint

ROOM = AgentRoom("ws://livekit", "room token", "heygen")
EMBEDDED = Endpoint(
    *("http://127.0.0.1:9/v1", "", "key of the built-in server", "heart"),
    tells_phones=True,
)
SERVICES = {
    "LITE_STT_URL": "http://10.0.0.1/v1",
    "LITE_STT_KEY": "stt key",
    "LITE_TTS_URL": "http://10.0.0.2/v1",
    "LITE_TTS_KEY": "tts key",
    "LITE_TTS_MODEL": "tts-2",
    "LITE_LLM_URL": "https://api.openai.com/",
    "LITE_LLM_MODEL": "small",
    "LITE_LLM_KEY": "llm key",
}
SECRETS = {"a": "value of a", "b": "value of b"}


def settings(plan: ConversationPlan, env=SERVICES, secrets=SECRETS, embedded=EMBEDDED):
    config = Config.from_env(env)
    return plan.settings("s1", ROOM, config, secrets=secrets, embedded=embedded)


def test_a_plan_without_choices_uses_the_built_in_server():
    result = settings(ConversationPlan("FULL"), env={})
    for name, voice in (("stt", ""), ("llm", ""), ("tts", "heart")):
        expected = Endpoint(
            *(EMBEDDED.base_url, EMBEDDED_MODEL, EMBEDDED.key, voice),
            trusted=True,
            tells_phones=True,
        )
        assert getattr(result, name) == expected
    assert (result.realtime, result.temperature) == (None, None)


def test_the_operators_services_are_used_and_trusted():
    result = settings(ConversationPlan("FULL"), embedded=None)
    assert result.stt == Endpoint(
        "http://10.0.0.1/v1", "whisper-1", "stt key", trusted=True
    )
    assert result.tts == Endpoint(
        "http://10.0.0.2/v1", "tts-2", "tts key", "alloy", trusted=True
    )
    assert result.llm == Endpoint(OPENAI_URL, "small", "llm key", trusted=True)


def test_the_operator_says_how_long_a_voice_must_be_to_barge_in():
    plan = ConversationPlan("FULL")
    assert settings(plan).barge_in_s == 0.5
    assert settings(plan, env={**SERVICES, "LITE_BARGE_IN_S": "2"}).barge_in_s == 2.0


def test_a_sessions_own_choices_come_first():
    plan = ConversationPlan(
        "FULL",
        llm=LlmChoice("https://llm.example/v1", "large", "a"),
        voice=VoiceChoice("marin", "b"),
    )
    assert plan.secret_ids == ("a", "b")
    result = settings(plan)
    # A URL of the API is no operator's: the agent checks its addresses.
    assert result.llm == Endpoint("https://llm.example/v1", "large", "value of a")
    assert result.tts == Endpoint(
        "http://10.0.0.2/v1", "tts-2", "value of b", "marin", trusted=True
    )


def test_a_voice_may_be_of_openai_or_built_in():
    openai = ConversationPlan("FULL", voice=VoiceChoice("nova", "a", OPENAI_URL))
    assert settings(openai, env={}).tts.base_url == OPENAI_URL
    built_in = ConversationPlan("FULL", voice=VoiceChoice("heart"))
    assert built_in.secret_ids == ()
    assert settings(built_in).tts.base_url == EMBEDDED.base_url


def test_a_connector_gets_its_model_alone():
    choice = RealtimeChoice("a", "alloy", "gpt-realtime", 0.7)
    result = settings(ConversationPlan("OPENAI_REALTIME", realtime=choice))
    assert (result.stt, result.llm, result.tts) == (None, None, None)
    assert result.realtime == Endpoint(
        OPENAI_URL, "gpt-realtime", "value of a", "alloy", trusted=True
    )
    assert (result.temperature, result.turns) == (0.7, "semantic_vad")


def test_a_callers_realtime_url_is_not_trusted():
    choice = RealtimeChoice("a", "alloy", "m", 0.8, "https://realtime.example/v1")
    endpoint = settings(ConversationPlan("OPENAI_REALTIME", realtime=choice)).realtime
    assert (endpoint.base_url, endpoint.trusted) == (choice.base_url, False)


def test_gemini_is_asked_at_googles_own_address():
    choice = RealtimeChoice("a", "Puck", "gemini", 1.5)
    endpoint = settings(ConversationPlan("GEMINI_REALTIME", realtime=choice)).realtime
    assert (endpoint.base_url, endpoint.trusted) == ("", True)


def test_gemini_is_asked_at_the_operators_address():
    plan = ConversationPlan(
        "GEMINI_REALTIME", realtime=RealtimeChoice("a", "P", "g", 1.0)
    )
    url = "http://gemini.inside:8080"
    endpoint = settings(plan, env={"LITE_GEMINI_URL": url}).realtime
    assert (endpoint.base_url, endpoint.trusted) == (url, True)


def test_what_is_missing_at_the_start_is_said():
    with pytest.raises(Refused, match="built-in speech is not ready") as refused:
        settings(ConversationPlan("FULL"), env={}, embedded=None)
    assert (refused.value.status, refused.value.retry_s) == (503, 5.0)
    plan = ConversationPlan("FULL", llm=LlmChoice("https://a.example", "m", "gone"))
    with pytest.raises(Refused, match="secret gone was deleted") as refused:
        settings(plan)
    assert refused.value.status == 409


def test_no_secret_is_in_the_repr_of_settings():
    plan = ConversationPlan("FULL", llm=LlmChoice("https://a.example", "m", "a"))
    shown = repr(settings(plan))
    assert not [value for value in (*SECRETS.values(), "stt key") if value in shown]
    assert ROOM.token not in shown
    assert ROOM.token not in repr(ROOM)
    assert not {"key", "value", "secret"} & {f.name for f in fields(LlmChoice)}


@pytest.mark.parametrize(
    ("base_url", "effective"),
    [
        ("https://api.openai.com", OPENAI_URL),
        ("https://api.openai.com/", OPENAI_URL),
        ("https://API.OpenAI.com", OPENAI_URL),
        ("https://api.openai.com/v2", "https://api.openai.com/v2"),
        ("http://api.openai.com", "http://api.openai.com"),
        ("https://api.openai.com.example", "https://api.openai.com.example"),
        ("https://llm.example/openai/", "https://llm.example/openai/"),
        ("", ""),
    ],
)
def test_only_openais_host_without_a_path_is_completed(base_url, effective):
    assert effective_url(base_url) == effective


NAMES = {"public.example": ["93.184.216.34"], "inside.example": ["10.0.0.1"]}


def check(url: str, *allowed: str) -> None:
    """Check a plan with that URL as a start does."""
    guard = AddressGuard(allowed, resolve=lambda host, _: NAMES[host])
    plan = ConversationPlan("FULL", llm=LlmChoice(url, "m", "a"))
    try:
        plan.check_spelling(guard)
        asyncio.run(plan.check_addresses(guard))
    finally:
        guard.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://public.example",
        "https://public.example/api/v1",
        "http://93.184.216.34:8000/v1/",
    ],
)
def test_public_base_urls_may_have_a_path(url):
    check(url)


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("http://127.0.0.1:11434/v1", 422, "no public address"),
        ("http://0x7f000001/v1", 422, "no public address"),
        ("http://[::ffff:10.0.0.1]/v1", 422, "no public address"),
        ("ws://public.example/v1", 422, "http or https"),
        ("https://public.example/v1?key=x", 422, "without user and query"),
        ("https://user@public.example/v1", 422, "without user and query"),
        ("https://inside.example/v1", 400, "no public address"),
    ],
)
def test_an_inside_base_url_is_refused_at_once_or_at_the_start(url, status, words):
    with pytest.raises(Refused, match=words) as refused:
        check(url)
    assert refused.value.status == status
    assert "llm_configuration_id" in str(refused.value)


def test_the_operator_may_allow_a_host():
    check("http://127.0.0.1:11434/v1", "127.0.0.1:11434")
    check("https://inside.example/v1", "*.example")


@pytest.mark.parametrize("mode", ["FULL", "OPENAI_REALTIME"])
@pytest.mark.parametrize("llm", [None, LlmChoice("https://llm.example.com", "m", "a")])
@pytest.mark.parametrize(
    "voice", [None, VoiceChoice("heart"), VoiceChoice("v", "b", "https://x.example")]
)
@pytest.mark.parametrize("missing", ["none", "LITE_STT", "LITE_TTS", "LITE_LLM"])
def test_a_plan_says_whether_the_built_in_server_has_a_part_in_it(
    mode, llm, voice, missing
):
    env = {name: text for name, text in SERVICES.items() if missing not in name}
    plan = ConversationPlan(mode, llm=llm, voice=voice)
    try:
        settings(plan, env=env, embedded=None)
    except Refused:
        needed = True
    else:
        needed = False
    assert plan.needs_built_in(Config.from_env(env)) is needed
