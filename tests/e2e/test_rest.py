"""REST API of sessions: envelope, statuses, authentication, repeated calls."""

import asyncio
import base64
import json

import httpx
import pytest

from lite_gateway.client import open_session
from tests.e2e.calls import ended

pytestmark = pytest.mark.livekit


@pytest.fixture
def session(gateway):
    """Yield the data of a new session and its Bearer header, and stop it at the end."""
    data = gateway.create_session().json()["data"]
    bearer = {"Authorization": f"Bearer {data['session_token']}"}
    yield data, bearer
    gateway.post("/v1/sessions/stop", headers=bearer)


def get(gateway, path: str, **more) -> httpx.Response:
    return gateway.get(path, headers={"X-API-KEY": gateway.key}, **more)


def test_a_session_token_is_a_jwt_with_lite_mode(session):
    data, _ = session
    payload = data["session_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["start_session_data"]["mode"] == "LITE"
    assert set(data) == {"session_id", "session_token"}


@pytest.mark.parametrize("body", [None, b"", b"{}", b'{"session_id": "x"}'])
def test_start_accepts_every_body_that_clients_send(gateway, body):
    data = gateway.create_session().json()["data"]
    headers = {
        "authorization": f"Bearer {data['session_token']}",
        "content-type": "application/json",
    }
    response = gateway.post("/v1/sessions/start", headers=headers, content=body)
    assert response.status_code == 201
    result = response.json()
    assert result["code"] == 1000
    assert isinstance(result["message"], str)
    types = {
        "session_id": str,
        "livekit_url": str,
        "livekit_client_token": str,
        "livekit_agent_token": str,
        "max_session_duration": int,
        "ws_url": str,
    }
    assert {name: type(value) for name, value in result["data"].items()} == types
    assert result["data"]["session_id"] == data["session_id"]
    assert gateway.post("/v1/sessions/stop", headers=headers).status_code == 200


def test_start_and_stop_can_be_repeated(gateway, session):
    data, bearer = session
    first = gateway.post("/v1/sessions/start", headers=bearer).json()["data"]
    second = gateway.post("/v1/sessions/start", headers=bearer).json()["data"]
    assert first["ws_url"] == second["ws_url"]
    by_key = {"X-API-KEY": gateway.key}
    body = {"session_id": data["session_id"], "reason": "USER_DISCONNECTED"}
    for _ in range(2):
        response = gateway.post("/v1/sessions/stop", headers=by_key, json=body)
        assert response.status_code == 200
        assert response.json() == {"code": 1000, "data": None, "message": "ok"}


def test_a_stopped_session_cannot_be_started_again(gateway, session):
    _, bearer = session
    gateway.post("/v1/sessions/start", headers=bearer)
    gateway.post("/v1/sessions/stop", headers=bearer)
    response = gateway.post("/v1/sessions/start", headers=bearer)
    assert response.status_code == 409
    assert "create a new one" in response.json()["message"]


def test_sessions_are_listed_while_active_and_afterwards(gateway):
    async def talk() -> str:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
            active = await asyncio.to_thread(get, gateway, "/v1/sessions?type=active")
            ids = [item["id"] for item in active.json()["data"]["results"]]
            assert avatar.session_id in ids
            item = await asyncio.to_thread(
                get, gateway, f"/v1/sessions/{avatar.session_id}"
            )
            assert item.json()["data"]["mode"] == "LITE"
            return avatar.session_id

    session_id = asyncio.run(talk())
    assert ended(gateway, session_id)["end_reason"] == "USER_CLOSED"
    historic = get(gateway, "/v1/sessions?type=historic&page_size=1").json()["data"]
    assert historic["results"][0]["id"] == session_id
    assert len(historic["results"]) == 1


def test_public_avatars_need_no_key(gateway):
    data = gateway.get("/v1/avatars/public").json()["data"]
    assert {"mira", "theo", "fiducial"} <= {item["name"] for item in data["results"]}
    assert data["count"] == len(data["results"])


def test_a_session_can_name_its_avatar_by_id(gateway):
    data = gateway.get("/v1/avatars/public").json()["data"]
    assert gateway.create_session(avatar_id=data["results"][0]["id"]).status_code == 200


def test_an_avatar_id_of_the_hosted_service_selects_the_default_and_sends_a_warning(
    gateway,
):
    hosted_id = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"

    async def talk() -> dict:
        async with open_session(gateway.url, gateway.key, avatar=hosted_id) as avatar:
            return await avatar.event("warning")

    warning = asyncio.run(talk())["warning"]
    assert hosted_id in warning["message"]
    assert "mira" in warning["message"]


def test_keep_alive_succeeds(gateway, session):
    _, bearer = session
    gateway.post("/v1/sessions/start", headers=bearer)
    assert gateway.post("/v1/sessions/keep-alive", headers=bearer).status_code == 200


REFUSED = [
    ({"X-API-KEY": "wrong"}, {"avatar_id": "mira"}, 401, "not known"),
    ({}, {"avatar_id": "mira"}, 401, "X-API-KEY"),
    ("key", {"avatar_id": "unknown"}, 404, "available: fiducial, mira"),
    ("key", {}, 422, "avatar_id"),
    ("key", {"avatar_id": "mira", "mode": "FULL"}, 422, "LITE"),
    ("key", {"avatar_id": "mira", "mode": "HALF"}, 422, "LITE"),
    (
        "key",
        {"avatar_id": "mira", "video_settings": {"quality": "huge"}},
        422,
        "very_high",
    ),
    (
        "key",
        {"avatar_id": "mira", "video_settings": {"quality": "513x512"}},
        422,
        "even sides",
    ),
    ("key", {"avatar_id": "mira", "max_session_duration": 10**9}, 422, "at most"),
    ("key", {"avatar_id": "mira", "agora_config": {}}, 422, "not offered"),
    ("key", {"avatar_id": "mira", "openai_realtime_config": {}}, 422, "secret_id"),
    (
        "key",
        {"avatar_id": "mira", "livekit_config": {"url": "ws://x", "token": "junk"}},
        422,
        "not a LiveKit access token",
    ),
    (
        "key",
        {"avatar_id": "mira", "livekit_config": {"url": "ws://x"}},
        422,
        "livekit_client_token",
    ),
]


@pytest.mark.parametrize(("headers", "body", "status", "words"), REFUSED)
def test_a_bad_token_request_is_refused_with_a_remedy(
    gateway, headers, body, status, words
):
    headers = {"X-API-KEY": gateway.key} if headers == "key" else headers
    response = gateway.post("/v1/sessions/token", headers=headers, json=body)
    error = response.json()
    assert response.status_code == status
    assert words in error["message"]
    assert error["code"] != 1000
    if status == 422 and words in ("avatar_id", "livekit_client_token"):
        assert error["detail"][0]["loc"][0] == "body"


def test_the_video_quality_is_read_from_both_places(gateway):
    for body in (
        {"video_quality": "low"},
        {"video_settings": {"quality": "medium", "encoding": "VP8"}},
        {"video_settings": None, "unknown_field": 1},
    ):
        assert gateway.create_session(**body).status_code == 200


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "Bearer"),
        ("not.a.jwt", "not one of this server"),
        (
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA",
            "not one of this server",
        ),
    ],
)
def test_an_invalid_session_token_is_refused(gateway, token, words):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = gateway.post("/v1/sessions/start", headers=headers)
    assert response.status_code == 401
    assert words in response.json()["message"]


def test_errors_of_unknown_paths_are_json(gateway):
    response = gateway.get("/v1/nothing")
    assert response.status_code == 404
    assert isinstance(response.json()["message"], str)


def test_health_ready_and_docs_answer(gateway):
    assert gateway.get("/health").text == "ok"
    assert gateway.get("/ready").json()["ready"] is True
    assert gateway.get("/docs").status_code == 200
    paths = gateway.get("/openapi.json").json()["paths"]
    assert "/v1/sessions/start" in paths


METRICS = {
    *("lite_sessions", "lite_sessions_ended_total", "lite_turns_total"),
    *("lite_added_latency_seconds", "lite_interrupt_seconds", "lite_render_seconds"),
    *("lite_batch_size", "lite_frames_total", "lite_frames_skipped_total"),
    *("lite_frame_late_seconds", "lite_underruns_total", "lite_pcm_buffered_seconds"),
    *("lite_publish_seconds", "lite_ws_messages_total", "lite_ws_refused_total"),
    "lite_loop_lag_seconds",
}


def test_every_documented_metric_is_exported(gateway):
    text = gateway.get("/metrics").text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    assert names >= METRICS
