"""Creation of sessions with a conversation: what the ids of a request resolve to."""

import base64
import dataclasses
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.conversation.plan import LlmChoice, RealtimeChoice, VoiceChoice
from tests.api.conftest import check_refused, config_of, connector, full, make_api

UNKNOWN = str(uuid.uuid4())
TTS = {"tts_url": "http://10.0.0.2/v1"}


def payload_of(answer) -> dict:
    payload = answer.json["data"]["session_token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_full_mode_resolves_what_the_request_names(api):
    context = api.context("You are ${name}.", "Hello ${guest}, ${name} here.")
    llm = api.llm("https://llm.example/api/v1")
    answer = full(
        api,
        {
            "context_id": context,
            "voice_id": "",
            "language": "de-AT",
            "voice_settings": {"provider": "elevenLabs"},
            "stt_config": {"provider": "deepgram"},
        },
        llm_configuration_id=llm,
        interactivity_type="PUSH_TO_TALK",
        dynamic_variables={"name": "Ada", "guest": "${name}", "unused": "x"},
        livekit_config={"url": "wss://host", "token": "ignored"},
    )
    config = config_of(api, answer)
    plan = config.conversation
    assert (config.mode, config.context_id) == ("FULL", context)
    assert config.external_room is None
    assert (plan.mode, plan.language, plan.push_to_talk) == ("FULL", "de-AT", True)
    assert (plan.instructions, plan.answers) == ("You are Ada.", True)
    assert plan.opening_text == "Hello ${name}, Ada here."
    assert plan.voice is None
    assert (plan.llm.base_url, plan.llm.model) == (
        "https://llm.example/api/v1",
        "large",
    )
    assert answer.json["message"] == "ok"
    session = api.data("GET", f"/v1/sessions/{answer.json['data']['session_id']}")
    assert (session["mode"], session["context_id"]) == ("FULL", context)


def test_without_a_context_the_avatar_never_answers(api):
    plan = config_of(api, full(api)).conversation
    assert (plan.answers, plan.instructions, plan.opening_text) == (False, "", "")
    assert (plan.llm, plan.voice, plan.push_to_talk) == (None, None, False)


def test_a_context_is_fixed_when_the_session_is_created(api):
    links = [{"url": "https://a.example/prices", "faq": "Tea is 2 euro."}]
    context = api.context("Before.", "Hi.", links)
    plan = config_of(api, full(api, {"context_id": context})).conversation
    api.data("PATCH", f"/v1/contexts/{context}", {"prompt": "After."})
    api.data("DELETE", f"/v1/contexts/{context}")
    assert plan.instructions.startswith("Before.\n")
    assert "https://a.example/prices\nTea is 2 euro." in plan.instructions


def test_the_payload_of_a_token_names_the_agent_and_no_secret(api):
    secret = api.secret("OPENAI_API_KEY")
    answers = {
        "LITE": api.mint(),
        "FULL": full(api, {}, llm_configuration_id=api.llm("https://a.example/v1")),
        "OPENAI": connector(api, secret),
        "GEMINI": api.mint(
            gemini_realtime_config={"secret_id": api.secret("GEMINI_API_KEY")}
        ),
    }
    data = {n: payload_of(a)["start_session_data"] for n, a in answers.items()}
    assert data == {
        "LITE": {"mode": "LITE"},
        "FULL": {"mode": "FULL", "agent_type": "FULL"},
        "OPENAI": {
            "mode": "LITE",
            "agent_type": "OPENAI_REALTIME",
            "openai_realtime_config": {},
        },
        "GEMINI": {
            "mode": "LITE",
            "agent_type": "GEMINI_REALTIME",
            "gemini_realtime_config": {},
        },
    }
    assert secret not in json.dumps(payload_of(answers["OPENAI"]))


def test_a_connector_has_the_defaults_of_the_service(api):
    secret, context = api.secret("OPENAI_API_KEY"), api.context("You are kind.")
    answer = connector(api, secret, context_id=context)
    config = config_of(api, answer)
    assert (config.mode, config.context_id) == ("LITE", context)
    assert config.conversation.realtime == RealtimeChoice(
        secret, "alloy", "gpt-realtime", 0.8
    )
    assert config.conversation.instructions == "You are kind."
    assert answer.json["message"] == "ok"


def test_a_connector_takes_variables_too(api):
    context = api.context("You are ${name}.")
    config = {"secret_id": api.secret("OPENAI_API_KEY"), "context_id": context}
    check_refused(api.mint(openai_realtime_config=config), 422, "${name}")
    answer = api.mint(openai_realtime_config=config, dynamic_variables={"name": "Ada"})
    assert config_of(api, answer).conversation.instructions == "You are Ada."


def test_a_connector_may_have_push_to_talk(api):
    config = {"secret_id": api.secret("OPENAI_API_KEY")}
    for kind in ("PUSH_TO_TALK", "CONVERSATIONAL"):
        answer = api.mint(openai_realtime_config=config, interactivity_type=kind)
        plan = config_of(api, answer).conversation
        assert plan.push_to_talk == (kind == "PUSH_TO_TALK")


def test_gemini_has_models_and_voices_of_its_own(api):
    secret = api.secret("GEMINI_API_KEY")
    body = {"secret_id": secret, "voice": "Kore", "temperature": 2}
    plan = config_of(api, api.mint(gemini_realtime_config=body)).conversation
    assert plan.realtime == RealtimeChoice(
        secret, "Kore", "gemini-3.1-flash-live-preview", 2.0
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"voice": "fable"}, "voice fable"),
        ({"voice": "onyx"}, "voice onyx"),
        ({"voice": "nova"}, "voice nova"),
        ({"temperature": 0.8}, "no temperature"),
        ({"temperature": 1.2, "voice": "nova"}, "no temperature"),
    ],
)
def test_what_openai_treats_otherwise_is_minted_and_said(api, fields, words):
    answer = connector(api, api.secret("OPENAI_API_KEY"), **fields)
    assert answer.status == 200
    assert answer.json["code"] == 1000
    assert words in answer.json["message"]


def test_voices_of_openai_and_the_built_in_one_need_no_setting(api):
    voice = api.voice("OPENAI_API_KEY")
    plan = config_of(api, full(api, {"voice_id": voice})).conversation
    assert plan.voice.provider_voice_id == "ada"
    assert plan.voice.base_url == "https://api.openai.com/v1"
    for voice in api.service.built_in_voices:
        plan = config_of(api, full(api, {"voice_id": voice.id})).conversation
        assert plan.voice == VoiceChoice(voice.name)
    answer = full(api, {"voice_id": api.voice("ELEVENLABS_API_KEY")})
    check_refused(answer, 422, "LITE_TTS_URL")
    check_refused(full(api, {"voice_id": api.voice("GEMINI_API_KEY")}), 422, "GEMINI")


def test_each_voice_is_asked_of_the_operators_service(build_app):
    api = make_api(build_app, **TTS)
    for kind in ("OPENAI_API_KEY", "ELEVENLABS_API_KEY", "LLM_API_KEY"):
        plan = config_of(api, full(api, {"voice_id": api.voice(kind)})).conversation
        assert plan.voice.base_url == ""


def test_the_voice_of_the_avatar_is_the_default(api):
    voice = api.voice("OPENAI_API_KEY")
    api.data("PATCH", "/v1/avatars/fiducial", {"default_voice_id": voice})
    try:
        assert config_of(api, full(api)).conversation.voice.provider_voice_id == "ada"
        persona = {"voice_id": api.service.built_in_voices[0].id}
        plan = config_of(api, full(api, persona)).conversation
        assert plan.voice == VoiceChoice("heart")
    finally:
        api.data("PATCH", "/v1/avatars/fiducial", {"default_voice_id": None})


def with_voice(monkeypatch, api, voice: str) -> None:
    """Let each package of a server name that voice."""
    select = api.service.select_avatar

    async def select_with_voice(avatar_id):
        avatar, warning = await select(avatar_id)
        return dataclasses.replace(avatar, voice=voice), warning

    monkeypatch.setattr(api.service, "select_avatar", select_with_voice)


def test_the_package_names_the_voice_where_the_built_in_one_speaks(
    api, build_app, monkeypatch
):
    with_voice(monkeypatch, api, "heart-low")
    assert config_of(api, full(api)).conversation.voice == VoiceChoice("heart-low")
    voice = {"voice_id": api.service.built_in_voices[0].id}
    assert config_of(api, full(api, voice)).conversation.voice == VoiceChoice("heart")
    elsewhere = make_api(build_app, **TTS)
    with_voice(monkeypatch, elsewhere, "heart-low")
    assert config_of(elsewhere, full(elsewhere)).conversation.voice is None


def test_a_voice_of_a_package_that_is_not_here_is_the_default(api, monkeypatch):
    with_voice(monkeypatch, api, "unknown")
    assert config_of(api, full(api)).conversation.voice is None


def test_links_of_a_context_may_have_variables(api):
    link = {"url": "https://example.com/${page}", "faq": "Open until ${hour}."}
    body = {"name": "links", "prompt": "Hello ${name}.", "opening_text": "Hi."}
    context = api.data("POST", "/v1/contexts", {**body, "links": [link]})
    names = ["name", "page", "hour"]
    assert context["required_dynamic_variables"] == names
    persona = {"context_id": context["id"]}
    check_refused(full(api, persona, dynamic_variables={"name": "a"}), 422, "${hour}")
    values = {name: f"<{name}>" for name in names}
    plan = config_of(api, full(api, persona, dynamic_variables=values)).conversation
    assert "https://example.com/<page>" in plan.instructions
    assert "Open until <hour>." in plan.instructions


def test_a_base_url_may_be_inside_where_the_operator_allows_it(build_app):
    api = make_api(build_app, allowed_hosts="10.0.0.1:8000")
    plan = config_of(
        api, full(api, llm_configuration_id=api.llm("http://10.0.0.1:8000/v1"))
    ).conversation
    assert isinstance(plan.llm, LlmChoice)
    answer = full(api, llm_configuration_id=api.llm("http://10.0.0.1:8001/v1"))
    check_refused(answer, 422, "no public address")


def test_a_server_of_ones_own_takes_a_key_that_is_not_openais(api):
    secret = api.secret("LLM_API_KEY")
    answer = connector(api, secret, base_url="https://realtime.example/v1")
    assert config_of(api, answer).conversation.realtime.secret_id == secret


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,9}", fullmatch=True),
        st.text("${}a "),
        min_size=1,
        max_size=5,
    )
)
def test_each_value_gets_into_the_prompt_as_it_is(api, values):
    context = api.context("|".join(f"${{{name}}}" for name in values))
    answer = full(api, {"context_id": context}, dynamic_variables=values)
    plan = config_of(api, answer).conversation
    assert plan.instructions == "|".join(values.values())


def test_an_avatar_of_the_hosted_service_is_told_in_the_answer(api, build_app):
    api = make_api(build_app, default_avatar="fiducial")
    hosted = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"
    answer = api.mint(mode="FULL", avatar_persona={}, avatar_id=hosted)
    assert config_of(api, answer).avatar == "fiducial"
    assert hosted in answer.json["message"]
