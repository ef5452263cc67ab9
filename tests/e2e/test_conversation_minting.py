"""Requests for conversations that are refused by a real gateway, with the reason."""

import pytest

from bench.probe.stack import running_gateway
from tests.e2e.calls import LEAN
from tests.e2e.talking import context, conversations, mint, secret

pytestmark = [pytest.mark.livekit, pytest.mark.process]

UNKNOWN = "00000000-0000-4000-8000-000000000000"
# A gateway that finds no package of the extra, as if it were not installed.
HIDES = """
import importlib.util
from lite_gateway.__main__ import main
find = importlib.util.find_spec
def hides(name, package=None):
    return None if name.startswith("livekit.agents") else find(name, package)
importlib.util.find_spec = hides
main()
"""
# Packages count as installed, and the agent process needs none.
STRANGE = ("-m", "tests.e2e.strange_gateway")


@pytest.fixture(scope="module")
def gateway(livekit, tmp_path_factory):
    log_path = tmp_path_factory.mktemp("minting") / "log"
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, log_path),
        command=STRANGE,
        LITE_CONVERSATIONS="auto",
        **LEAN,
    ) as running:
        yield running


def full(**fields) -> dict:
    persona = fields.pop("avatar_persona", {})
    return {"mode": "FULL", "avatar_persona": persona, **fields}


def test_unknown_ids_are_not_found_and_named(gateway):
    for fields, name in [
        (full(llm_configuration_id=UNKNOWN), "llm_configuration_id"),
        (full(avatar_persona={"context_id": UNKNOWN}), "context_id"),
        (full(avatar_persona={"voice_id": UNKNOWN}), "voice_id"),
        ({"openai_realtime_config": {"secret_id": UNKNOWN}}, "secret_id"),
    ]:
        response = mint(gateway, **fields)
        assert response.status_code == 404, response.text
        assert name in response.json()["message"]


def test_what_a_connector_cannot_have_is_refused_with_what_it_can(gateway):
    own = secret(gateway, "sk-own-key")
    other = secret(gateway, "other", "LLM_API_KEY")
    for fields, words in [
        ({"secret_id": other}, "LLM_API_KEY"),
        ({"secret_id": own, "temperature": 1.3}, "0.6 to 1.2"),
        ({"secret_id": own, "voice": "nobody"}, "marin"),
        ({"secret_id": own, "base_url": "http://169.254.169.254/v1"}, "base_url"),
    ]:
        response = mint(gateway, openai_realtime_config=fields)
        assert response.status_code == 422, response.text
        assert words in response.json()["message"]


@pytest.mark.parametrize("voice", ["fable", "onyx", "nova"])
def test_voices_that_openai_may_refuse_are_created_and_said(gateway, voice):
    config = {"secret_id": secret(gateway, "sk-own-key"), "voice": voice}
    response = mint(gateway, openai_realtime_config={**config, "temperature": 0.7})
    assert response.is_success, response.text
    message = response.json()["message"]
    assert voice in message
    assert "temperature" in message


def test_a_variable_without_a_value_is_named(gateway):
    persona = {"context_id": context(gateway, prompt="Greet ${guest}.")}
    response = mint(gateway, **full(avatar_persona=persona))
    assert response.status_code == 422, response.text
    assert "guest" in response.json()["message"]
    response = mint(
        gateway, **full(avatar_persona=persona, dynamic_variables={"guest": "Ada"})
    )
    assert response.is_success, response.text
    values = {f"name{number}": "x" for number in range(51)}
    response = mint(gateway, **full(dynamic_variables=values))
    assert response.status_code == 422
    assert "dynamic_variables" in response.json()["message"]


def test_without_the_extra_its_name_is_told(livekit, tmp_path):
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, tmp_path / "log"),
        command=("-c", HIDES),
        LITE_CONVERSATIONS="auto",
        **LEAN,
    ) as bare:
        assert conversations(bare) == "not installed"
        own = secret(bare, "sk-own-key")
        for fields in (full(), {"openai_realtime_config": {"secret_id": own}}):
            response = mint(bare, **fields)
            assert response.status_code == 422, response.text
            remedy = "pip install 'lite-gateway[agent]'"
            assert remedy in response.json()["message"]
        assert mint(bare, mode="LITE").is_success
