"""Restart of a gateway: killed during sessions, stopped, and two with one database."""

import asyncio
import os
import signal

import pytest
from livekit import api

from bench.probe.postgres import empty_database
from bench.probe.stack import running_gateway
from tests.e2e.calls import LEAN, ended, make_key, with_key
from tests.waiting import until

pytestmark = [pytest.mark.livekit, pytest.mark.timeout(300)]


def rooms(livekit) -> set[str]:
    async def ask() -> set[str]:
        async with api.LiveKitAPI(livekit.url, livekit.key, livekit.secret) as server:
            listed = await server.room.list_rooms(api.ListRoomsRequest())
            return {room.name for room in listed.rooms}

    return asyncio.run(ask())


def start(gateway, token: str):
    bearer = {"Authorization": f"Bearer {token}"}
    return gateway.post("/v1/sessions/start", headers=bearer)


@pytest.mark.parametrize(
    "kind",
    [
        "sqlite",
        pytest.param("postgres", marks=[pytest.mark.slow, pytest.mark.postgres]),
    ],
)
def test_a_killed_gateway_loses_no_configuration_and_its_sessions_are_closed(
    livekit, tmp_path, kind, request
):
    connection = (livekit.url, livekit.key, livekit.secret)
    env = {"LITE_DATABASE": str(tmp_path / "kept.db"), "XDG_DATA_HOME": str(tmp_path)}
    env |= LEAN
    if kind == "postgres":
        env["LITE_DATABASE"] = empty_database(request.getfixturevalue("postgres"))
    with running_gateway(*connection, tmp_path / "kept", **env) as gateway:
        call, robot = with_key(gateway), make_key(gateway, "robot", **env)
        body = {"name": "Shop", "prompt": "Sell.", "opening_text": None}
        context = call.data("POST", "/v1/contexts", body)
        body = {"secret_name": "n", "secret_value": "v", "secret_type": "LLM_API_KEY"}
        secret = call.data("POST", "/v1/secrets", body)
        body = {"display_name": "d", "model": "m", "secret_id": secret["id"]}
        llm = call.data("POST", "/v1/llm-configurations", body)
        page = call.data("POST", "/v2/embeddings", {"avatar_id": "fiducial"})
        call.data("PATCH", "/v1/avatars/mira", {"name": "Mira L."})
        running, unstarted = (gateway.create_session().json()["data"] for _ in range(2))
        stopped = robot.data("POST", "/v1/sessions/token", {"avatar_id": "fiducial"})
        for session in (running, stopped):
            assert start(gateway, session["session_token"]).status_code == 201
        robot.data("POST", "/v1/sessions/stop", {"session_id": stopped["session_id"]})
        ended(gateway, stopped["session_id"])
        until(lambda: gateway.active_sessions() == [running["session_id"]])
        until(lambda: running["session_id"] in rooms(livekit))
        os.kill(gateway.pid, signal.SIGKILL)

    with running_gateway(*connection, tmp_path / "kept", **env) as gateway:
        call = with_key(gateway)
        assert call.data("GET", f"/v1/contexts/{context['id']}") == context
        assert call.data("GET", f"/v1/llm-configurations/{llm['id']}") == llm
        assert [s["id"] for s in call.data("GET", "/v1/secrets")] == [secret["id"]]
        assert call.data("GET", "/v1/avatars/mira")["name"] == "Mira L."
        assert gateway.post(f"/embed/{page['embed_id']}/session").status_code == 200
        assert with_key(gateway, robot.key)("GET", "/v1/users/credits").is_success

        assert call.data("GET", "/v1/sessions?type=active")["count"] == 0
        historic = call.data("GET", "/v1/sessions?type=historic")["results"]
        history = {item["id"]: item for item in historic}
        assert set(history) == {running["session_id"], stopped["session_id"]}
        assert history[stopped["session_id"]]["end_reason"] == "USER_CLOSED"
        lost = history[running["session_id"]]
        assert lost["end_reason"] == "SERVER_ERROR"
        assert "without closing" in lost["end_message"]
        assert lost["created_at"] < lost["end_at"]

        again = start(gateway, unstarted["session_token"])
        assert again.status_code == 409
        assert "create a new one" in again.json()["message"]
        stop = {"Authorization": f"Bearer {running['session_token']}"}
        assert gateway.post("/v1/sessions/stop", headers=stop).status_code == 200
        until(lambda: running["session_id"] not in rooms(livekit))


@pytest.mark.slow
def test_a_stopped_gateway_records_how_every_session_ended(livekit, tmp_path):
    connection = (livekit.url, livekit.key, livekit.secret, tmp_path / "log")
    with running_gateway(*connection, **LEAN) as gateway:
        minted = gateway.create_session().json()["data"]
        assert start(gateway, minted["session_token"]).status_code == 201
    with running_gateway(*connection, **LEAN) as gateway:
        path = f"/v1/sessions/{minted['session_id']}"
        item = with_key(gateway).data("GET", path)
        assert item["end_reason"] == "SERVER_SHUTDOWN"
        assert "start a new session" in item["end_message"]


@pytest.mark.slow
def test_gateways_with_one_database_refuse_each_others_sessions(livekit, tmp_path):
    connection = (livekit.url, livekit.key, livekit.secret)
    env = {"LITE_DATABASE": str(tmp_path / "shared.db"), **LEAN}
    with (
        running_gateway(*connection, tmp_path / "first", **env) as first,
        running_gateway(*connection, tmp_path / "second", **env) as second,
    ):
        minted = first.create_session().json()["data"]
        elsewhere = start(second, minted["session_token"])
        assert elsewhere.status_code == 409
        assert "another gateway" in elsewhere.json()["message"]
        assert start(first, minted["session_token"]).status_code == 201
        assert (
            second.active_sessions()
            == first.active_sessions()
            == [minted["session_id"]]
        )
        body = {"session_id": minted["session_id"]}
        refused = with_key(second)("POST", "/v1/sessions/stop", body)
        assert refused.status_code == 409
        assert with_key(first)("POST", "/v1/sessions/stop", body).status_code == 200
        assert second.active_sessions() == []
