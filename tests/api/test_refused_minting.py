"""Requests for a conversation that are refused, with the reason and the remedy."""

import json
import subprocess
import sys
import uuid

import pytest

from lite_gateway.api.conversation_plans import MAX_CONTEXT_LENGTH
from lite_gateway.conversation import extra
from tests.api.conftest import check_refused, config_of, connector, full, make_api
from tests.conftest import ROOT

UNKNOWN = str(uuid.uuid4())


def test_plain_lite_ignores_the_fields_of_conversations(api):
    answer = api.mint(
        mode="CUSTOM",
        avatar_persona={"context_id": UNKNOWN, "voice_id": 5, "language": None},
        llm_configuration_id="none",
        interactivity_type="SHOUTING",
        dynamic_variables=[1],
    )
    config = config_of(api, answer)
    assert (config.mode, config.conversation) == ("LITE", None)
    assert config.context_id == UNKNOWN
    assert config_of(api, api.mint(avatar_persona="x")).context_id is None


@pytest.mark.parametrize(
    ("persona", "fields", "words"),
    [
        ({"context_id": UNKNOWN}, {}, "context_id: no such context"),
        ({"voice_id": UNKNOWN}, {}, "voice_id: no such voice"),
        ({}, {"llm_configuration_id": UNKNOWN}, "llm_configuration_id: no such"),
    ],
)
def test_an_unknown_id_of_full_mode_is_named(api, persona, fields, words):
    check_refused(full(api, persona, **fields), 404, words)


def test_an_unknown_id_of_a_connector_is_named(api):
    check_refused(connector(api, UNKNOWN), 404, "secret_id: no such secret")
    answer = connector(api, api.secret("OPENAI_API_KEY"), context_id=UNKNOWN)
    check_refused(answer, 404, "context_id: no such context")


@pytest.mark.parametrize(
    "kind", ["ELEVENLABS_API_KEY", "GEMINI_API_KEY", "LLM_API_KEY"]
)
def test_a_connectors_secret_must_be_of_its_provider(api, kind):
    answer = connector(api, api.secret(kind))
    check_refused(answer, 422, f"the type {kind}; it must be OPENAI_API_KEY")
    if kind != "GEMINI_API_KEY":
        body = {"secret_id": api.secret(kind)}
        answer = api.mint(gemini_realtime_config=body)
        check_refused(answer, 422, "must be GEMINI_API_KEY")


def test_a_language_models_secret_is_no_voices(api):
    llm = api.llm("https://llm.example/v1", "ELEVENLABS_API_KEY")
    answer = full(api, llm_configuration_id=llm)
    check_refused(answer, 422, "llm_configuration_id: its secret has the type ELEVEN")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"temperature": 0.59}, "must be 0.6 to 1.2"),
        ({"temperature": 1.21}, "must be 0.6 to 1.2"),
        ({"temperature": "warm"}, "temperature"),
        ({"voice": "bella"}, "'alloy', 'ash', 'ballad'"),
        ({"secret_id": "x"}, "secret_id"),
        ({"base_url": "http://127.0.0.1:1/v1"}, "base_url: this host has no public"),
        ({"base_url": "http://0x7f.1/v1"}, "base_url: this host has no public"),
        ({"base_url": "https://[::ffff:10.0.0.1]/v1"}, "no public address"),
        ({"base_url": "wss://api.example/v1"}, "base_url must be a URL with http"),
        ({"base_url": "https://a.example/v1?x=1"}, "without user and query"),
    ],
)
def test_a_connectors_bad_setting_is_refused_with_what_is_allowed(api, body, words):
    secret = {"secret_id": api.secret("OPENAI_API_KEY")}
    answer = api.mint(openai_realtime_config={**secret, **body})
    check_refused(answer, 422, words)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/v1", "http://2130706433:11434/v1", "http://[::1]/v1"]
)
def test_a_language_model_inside_is_refused_at_once(api, url):
    answer = full(api, llm_configuration_id=api.llm(url))
    check_refused(answer, 422, "base_url of llm_configuration_id: this host has no")


def test_only_administrators_choose_where_a_secret_is_sent(build_app, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("only-mints-sessions minter mint\n")
    api = make_api(build_app, api_keys_file=str(keys))
    secret = api.secret("OPENAI_API_KEY")
    body = {"secret_id": secret, "base_url": "https://realtime.example/v1"}
    plan = config_of(api, api.mint(openai_realtime_config=body)).conversation
    assert plan.realtime.base_url == "https://realtime.example/v1"
    answer = api.mint("only-mints-sessions", openai_realtime_config=body)
    check_refused(answer, 403, "admin")
    body = {"secret_id": secret}
    assert api.mint("only-mints-sessions", openai_realtime_config=body).status == 200


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"elevenlabs_agent_config": {"secret_id": UNKNOWN}}, "ElevenLabs"),
        ({"voice_agent": {"id": UNKNOWN}}, "voice_agent is not offered"),
        ({"memory": {"session_memory_id": UNKNOWN}}, "remembers nothing"),
        ({"agora_config": {}}, "LiveKit only"),
        ({"mode": "FULL", "voice_agent": {"id": UNKNOWN}}, "voice_agent"),
        ({"mode": "FULL", "memory": {}}, "remembers nothing"),
        ({"mode": "FULL"}, 'use {"mode": "LITE"}'),
        ({"mode": "FULL", "avatar_persona": None}, "needs avatar_persona"),
        ({"mode": "FULL", "avatar_persona": "x"}, "must be a JSON object"),
        ({"mode": "FULL", "avatar_persona": {"context_id": "x"}}, "context_id"),
        ({"mode": "FULL", "avatar_persona": {"language": "d!"}}, "language"),
        (
            {"mode": "FULL", "avatar_persona": {}, "interactivity_type": "X"},
            "'CONVERSATIONAL' or 'PUSH_TO_TALK'",
        ),
        (
            {
                "mode": "FULL",
                "avatar_persona": {},
                "openai_realtime_config": {"secret_id": UNKNOWN},
            },
            '{"mode": "LITE"}',
        ),
        (
            {
                "openai_realtime_config": {"secret_id": UNKNOWN},
                "gemini_realtime_config": {"secret_id": UNKNOWN},
            },
            "not both",
        ),
    ],
)
def test_what_is_not_offered_is_refused_with_a_reason(api, fields, words):
    check_refused(api.mint(**fields), 422, words)


def test_push_to_talk_is_refused_where_the_provider_finds_the_turns(api):
    config = {"secret_id": api.secret("GEMINI_API_KEY")}
    answer = api.mint(gemini_realtime_config=config, interactivity_type="PUSH_TO_TALK")
    check_refused(answer, 422, "interactivity_type PUSH_TO_TALK")
    answer = api.mint(
        gemini_realtime_config=config, interactivity_type="CONVERSATIONAL"
    )
    assert not config_of(api, answer).conversation.push_to_talk
    config = {"secret_id": api.secret("OPENAI_API_KEY")}
    answer = api.mint(openai_realtime_config=config, interactivity_type="SHOUTING")
    check_refused(answer, 422, "interactivity_type")


def test_a_connector_needs_a_room_of_the_server(api, monkeypatch):
    body = {"secret_id": api.secret("OPENAI_API_KEY")}
    room = {"url": "wss://a.example", "token": "x"}
    answer = api.mint(openai_realtime_config=body, livekit_config=room)
    check_refused(answer, 422, "livekit_config is not possible with a connector")


def variables(count=1, name_length=1, value_length=1) -> dict[str, str]:
    names = [f"{number:0{name_length}}" for number in range(count)]
    return dict.fromkeys(names, "v" * value_length)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (variables(count=50, name_length=64), 200),
        (variables(value_length=1000), 200),
        (variables(count=51), 422),
        (variables(name_length=65), 422),
        (variables(value_length=1001), 422),
        ({"a": 1}, 422),
        (None, 200),
    ],
)
def test_variables_have_limits(api, values, status):
    answer = full(api, dynamic_variables=values)
    assert answer.status == status, answer.body
    assert status == 200 or "dynamic_variables" in answer.message


def test_all_variables_without_a_value_are_named(api):
    context = api.context("${a} ${b} ${a}", "${c}")
    persona = {"context_id": context}
    answer = full(api, persona, dynamic_variables={"b": "x"})
    check_refused(answer, 422, "${a}, ${c}")


def test_variables_cannot_blow_up_a_context(api):
    context = api.context("${a}" * 1000)
    persona = {"context_id": context}
    answer = full(api, persona, dynamic_variables={"a": "v" * 1000})
    check_refused(answer, 422, f"at most {MAX_CONTEXT_LENGTH}")


def test_what_is_not_installed_is_named_with_its_remedy(api, monkeypatch):
    missing = "conversations are not installed here"
    monkeypatch.setattr(api.service, "missing_packages", lambda _: missing)
    check_refused(full(api), 422, missing)
    check_refused(connector(api, UNKNOWN), 422, missing)
    assert api.mint().status == 200


def install(folder, *modules: str) -> None:
    for module in modules:
        path = folder.joinpath(*module.split("."))
        path.mkdir(parents=True, exist_ok=True)
        (path / "__init__.py").write_text("raise ImportError('it is only looked for')")


def missing_packages(folder) -> dict[str, str]:
    """Return what modes lack if Python finds the packages of ``folder`` only."""
    program = (
        "import json, sys; sys.path[:0] = sys.argv[1:];"
        "from lite_gateway.conversation.extra import missing_packages;"
        "modes = 'FULL', 'OPENAI_REALTIME', 'GEMINI_REALTIME';"
        "own = {m: missing_packages(m, own_recognizer=True) for m in modes};"
        "own['with LITE_STT_URL'] = missing_packages('FULL', own_recognizer=False);"
        "print(json.dumps(own))"
    )
    return json.loads(
        subprocess.run(
            [sys.executable, "-S", "-c", program, str(ROOT), str(folder)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )


def test_the_missing_package_is_named(tmp_path):
    assert set(missing_packages(tmp_path).values()) == {extra.INSTALL_EXTRA}
    assert "pip install 'lite-gateway[agent]'" in extra.INSTALL_EXTRA
    install(tmp_path, "livekit.agents", "livekit.plugins.openai")
    found = missing_packages(tmp_path)
    assert (found["with LITE_STT_URL"], found["OPENAI_REALTIME"]) == ("", "")
    assert "pip install 'lite-gateway[speech]'" in found["FULL"]
    assert "LITE_STT_URL" in found["FULL"]
    assert "pip install livekit-plugins-google" in found["GEMINI_REALTIME"]
    install(tmp_path, "livekit.plugins.google", "moonshine_voice")
    assert set(missing_packages(tmp_path).values()) == {""}
