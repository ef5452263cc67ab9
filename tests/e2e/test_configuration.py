"""REST API of contexts, secrets, models, voices, avatars and embeddings."""

import base64
import json
import uuid
from decimal import Decimal

import pytest

from bench.probe.stack import request
from tests.e2e.calls import with_key
from tests.waiting import until

pytestmark = pytest.mark.livekit
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def call(gateway):
    return with_key(gateway)


@pytest.fixture
def secret(call):
    body = {
        "secret_name": "the model's key",
        "secret_value": "sk-secret-value",
        "secret_type": "OPENAI_API_KEY",
    }
    return call.data("POST", "/v1/secrets", body)


def test_a_context_is_created_read_changed_listed_and_deleted(call):
    body = {
        "name": "Shop",
        "prompt": "You sell ${thing} to ${name}.",
        "opening_text": "Hello ${name}!",
        "links": [{"url": "https://x.example", "faq": "opening hours"}],
    }
    created = call.data("POST", "/v1/contexts", body)
    assert created["required_dynamic_variables"] == ["thing", "name"]
    assert created["links"][0]["faq"] == "opening hours"
    assert created["links"][0]["id"]
    path = f"/v1/contexts/{created['id']}"
    assert call.data("GET", path) == created
    changed = call.data("PATCH", path, {"opening_text": None})
    assert changed["opening_text"] is None
    assert changed["prompt"] == body["prompt"]
    assert changed["required_dynamic_variables"] == ["thing", "name"]
    [line] = [
        item
        for item in call.data("GET", "/v1/contexts?page_size=100")["results"]
        if item["id"] == created["id"]
    ]
    assert set(line) == {"id", "name", "created_at", "updated_at"}
    assert call.data("DELETE", path) is None
    assert call("GET", path).status_code == 404


@pytest.mark.parametrize(
    "kind",
    [
        *("OPENAI_API_KEY", "ELEVENLABS_API_KEY", "GEMINI_API_KEY"),
        *("LLM_API_KEY", "CARTESIA_API_KEY"),
    ],
)
def test_a_secret_of_every_kind_is_stored_and_never_returned(call, kind):
    body = {"secret_name": "n", "secret_value": "sk-never-shown", "secret_type": kind}
    created = call("POST", "/v1/secrets", body)
    assert set(created.json()["data"]) >= {"id", "secret_name"}
    listed = call("GET", "/v1/secrets")
    assert created.json()["data"]["id"] in [
        item["id"] for item in listed.json()["data"]
    ]
    assert "sk-never-shown" not in created.text + listed.text
    path = f"/v1/secrets/{created.json()['data']['id']}"
    assert call("GET", path).status_code in (404, 405)
    assert call("DELETE", path).status_code == 200
    assert call("DELETE", path).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"secret_name": "n", "secret_value": ["sk-oops"], "secret_type": "LLM_API_KEY"},
        {"secret_name": "n", "secret_value": "sk-oops", "secret_type": "sk-oops"},
        {"secret_name": "n", "secret_value": "sk-oops" * 9_000, "secret_type": "x"},
        {"secret_value": "sk-oops"},
    ],
)
def test_an_error_does_not_repeat_the_secret_of_the_request(call, body):
    response = call("POST", "/v1/secrets", body)
    assert response.status_code == 422
    assert "sk-oops" not in response.text
    assert response.json()["detail"][0]["loc"][0] == "body"


@pytest.mark.parametrize("path", ["/v1/llm-configurations", "/v1/llm_configurations"])
@pytest.mark.parametrize("model", ["model_name", "model"])
def test_llm_configurations_work_under_both_spellings_of_the_path(
    call, secret, path, model
):
    body = {"display_name": "Mine", model: "gpt-x", "secret_id": secret["id"]}
    created = call.data("POST", path, body)
    assert created["base_url"] == "https://api.openai.com/v1"
    assert created["model_name"] == "gpt-x"
    other = "/v1/llm-configurations" if "_" in path else "/v1/llm_configurations"
    assert call.data("GET", f"{other}/{created['id']}") == created
    changed = call.data(
        "PATCH", f"{path}/{created['id']}", {"base_url": "http://llm/v1"}
    )
    assert (changed["base_url"], changed["display_name"]) == ("http://llm/v1", "Mine")
    used = call("DELETE", f"/v1/secrets/{secret['id']}")
    assert used.status_code == 409
    assert created["id"] in used.json()["message"]
    assert call("DELETE", f"{other}/{created['id']}").status_code == 200
    assert call("DELETE", f"/v1/secrets/{secret['id']}").status_code == 200


@pytest.mark.parametrize("spelling", ["provider_voice_id", "voice_id"])
def test_a_third_party_voice_can_be_an_avatars_default(call, secret, spelling):
    body = {spelling: "21m00", "secret_id": secret["id"], "name": "Rachel"}
    of_package = call.data("GET", "/v1/avatars/theo")["default_voice"]
    voice_id = call.data("POST", "/v1/voices/third_party", body)["voice_id"]
    private = call.data("GET", "/v1/voices?voice_type=private")["results"]
    assert voice_id in [item["id"] for item in private]
    public = call.data("GET", "/v1/voices")["results"]
    assert {item["name"] for item in public} <= {"heart", "heart-low"}  # if installed
    renamed = call.data("PATCH", f"/v1/voices/{voice_id}", {"name": "Ruth"})
    assert renamed["name"] == "Ruth"
    preview = call("GET", f"/v1/voices/{voice_id}/preview")
    assert preview.status_code == 404
    assert "text-to-speech" in preview.json()["message"]

    patched = call.data("PATCH", "/v1/avatars/theo", {"default_voice_id": voice_id})
    assert patched["default_voice"] == {"id": voice_id, "name": "Ruth"}
    assert call("DELETE", f"/v1/voices/{voice_id}").status_code == 200
    assert call.data("GET", "/v1/avatars/theo")["default_voice"] == of_package


def test_a_renamed_avatar_is_found_by_both_names(gateway, call):
    before = call.data("GET", "/v1/avatars/theo")
    after = call.data("PATCH", f"/v1/avatars/{before['id']}", {"name": "Theodor"})
    try:
        assert after["name"] == "Theodor"
        public = gateway.get("/v1/avatars/public").json()["data"]
        assert "Theodor" in [item["name"] for item in public["results"]]
        for name in ("theo", "Theodor"):
            minted = gateway.create_session(avatar_id=name).json()["data"]["session_id"]
            item = call.data("GET", f"/v1/sessions/{minted}")
            assert item["avatar_id"] == "theo"
    finally:
        call.data("PATCH", "/v1/avatars/theo", {"name": None})
    assert call.data("GET", "/v1/avatars/theo")["name"] == "theo"


def test_an_avatar_on_disk_is_not_deleted_over_http(call):
    response = call("DELETE", "/v1/avatars/mira")
    assert response.status_code == 409
    assert "LITE_AVATARS" in response.json()["message"]
    assert call("GET", "/v1/avatars/mira").status_code == 200


def test_credits_are_a_large_decimal_number(call):
    assert Decimal(call.data("GET", "/v1/users/credits")["credits_left"]) > 10**6


def test_languages_need_no_key(gateway):
    languages = gateway.get("/v1/languages").json()["data"]
    assert {"language": "German", "code": "de"} in languages


def test_pages_contain_every_item_once_and_link_to_each_other(call):
    created = [
        call.data(
            "POST", "/v1/contexts", {"name": f"{n}", "prompt": "", "opening_text": ""}
        )
        for n in range(5)
    ]
    seen, query = [], "?page_size=2"
    while query:
        page = call.data("GET", f"/v1/contexts{query}")
        seen += [item["id"] for item in page["results"]]
        query = page["next"]
    assert len(seen) == len(set(seen)) == page["count"]
    assert {item["id"] for item in created} <= set(seen)
    assert call.data("GET", f"/v1/contexts{page['previous']}")["results"]
    for item in created:
        call.data("DELETE", f"/v1/contexts/{item['id']}")
    for wrong in ("page=0", "page_size=101", "page=x", "page=99999999999999999999"):
        assert call("GET", f"/v1/contexts?{wrong}").status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/contexts/{UNKNOWN_ID}",
        f"/v1/voices/{UNKNOWN_ID}",
        f"/v1/llm-configurations/{UNKNOWN_ID}",
        f"/v1/sessions/{UNKNOWN_ID}",
        f"/v1/sessions/{UNKNOWN_ID}/transcript",
        f"/embed/{UNKNOWN_ID}",
        f"/embed/{UNKNOWN_ID}/script.js",
        "/v1/avatars/unknown",
    ],
)
def test_unknown_resources_answer_404_and_say_where_to_look(call, path):
    response = call("GET", path)
    assert response.status_code == 404
    assert response.json()["code"] == 4404
    assert "see" in response.json()["message"] or "POST" in response.json()["message"]


def test_text_that_postgresql_cannot_store_is_refused(call):
    body = {"name": "a\0b", "prompt": "", "opening_text": ""}
    response = call("POST", "/v1/contexts", body)
    assert response.status_code == 422
    assert "U+0000" in response.json()["message"]
    raw = request(
        "POST",
        f"{call.url}/v1/contexts",
        headers={"X-API-KEY": call.key, "content-type": "application/json"},
        content=json.dumps(body).replace("\\u0000", "\\ud800"),
    )
    assert raw.status_code == 422


def test_an_embedding_has_a_page_a_script_and_sessions_without_a_key(gateway, call):
    body = {"avatar_id": "fiducial", "is_sandbox": True, "orientation": "vertical"}
    created = call.data("POST", "/v2/embeddings", body)
    assert created["url"] == f"{gateway.url}/embed/{created['embed_id']}"
    page = request("GET", created["url"])
    assert page.headers["content-type"].startswith("text/html")
    assert created["embed_id"] in page.text
    assert "x-frame-options" not in page.headers
    script = request("GET", f"{created['url']}/script.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "X-API-KEY" not in page.text + script.text

    mint = f"/embed/{created['embed_id']}/session"
    minted = gateway.post(mint).json()["data"]
    bearer = {"Authorization": f"Bearer {minted['session_token']}"}
    started = gateway.post("/v1/sessions/start", headers=bearer)
    assert started.json()["data"]["max_session_duration"] == 60
    item = call.data("GET", f"/v1/sessions/{minted['session_id']}")
    assert (item["source"], item["embed_id"]) == ("EMBED", created["embed_id"])
    path = f"/v1/sessions?type=active&embed_id={created['embed_id']}"
    [listed] = until(lambda: call.data("GET", path)["results"])
    assert listed["id"] == minted["session_id"]
    gateway.post("/v1/sessions/stop", headers=bearer)

    all_pages = call.data("GET", "/v2/embeddings?page_size=100")["results"]
    assert created["embed_id"] in [item["embed_id"] for item in all_pages]
    call.data("DELETE", f"/v2/embeddings/{created['embed_id']}")
    assert gateway.post(mint).status_code == 404


def test_a_transcript_is_empty_and_the_message_says_why(gateway, call):
    data = gateway.create_session().json()["data"]
    response = call(
        "GET", f"/v1/sessions/{data['session_id']}/transcript?start_timestamp=1"
    )
    assert response.json()["data"] == {
        "session_active": False,
        "next_timestamp": None,
        "transcript_data": [],
    }
    assert "only audio" in response.json()["message"]
    assert call("DELETE", f"/v1/sessions/{data['session_id']}/events").is_success


def test_the_history_records_the_context_of_a_lite_session(gateway, call):
    context_id = str(uuid.uuid4())
    minted = gateway.create_session(avatar_persona={"context_id": context_id}).json()[
        "data"
    ]
    item = call.data("GET", f"/v1/sessions/{minted['session_id']}")
    assert item["context_id"] == context_id
    for odd in ({"context_id": "x"}, {"context_id": 7}, [], "persona"):
        assert gateway.create_session(avatar_persona=odd).status_code == 200


def test_a_session_token_names_one_session_and_expires(gateway):
    data = gateway.create_session().json()["data"]
    payload = data["session_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["sub"] == data["session_id"]
    assert claims["exp"] > claims["iat"]
    assert claims["start_session_data"]["mode"] == "LITE"
