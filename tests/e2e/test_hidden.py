"""No secret in a log, a metric or an error, not even at the loudest log level."""

import asyncio
import sqlite3
import uuid

import httpx
import pytest

from bench.stack import running_gateway
from lite_gateway.client import open_session
from tests.e2e.calls import make_key, with_key

pytestmark = pytest.mark.livekit
VALUE = f"sk-{uuid.uuid4().hex}"


def use(gateway) -> set[str]:
    """Everything that a day brings; all that should stay hidden."""
    robot = make_key(gateway, "robot", "--scopes", "mint,admin")
    body = {"secret_name": "n", "secret_value": VALUE, "secret_type": "LLM_API_KEY"}
    robot("POST", "/v1/secrets", body)
    robot("POST", "/v1/secrets", {**body, "secret_type": VALUE})
    wrong = f"{robot.key}x"
    with_key(gateway, wrong)("GET", "/v1/secrets")
    httpx.get(f"{gateway.url}/v1/ws/nobody/{VALUE}")

    async def talk() -> list[str]:
        async with open_session(gateway.url, robot.key, avatar="fiducial") as avatar:
            await avatar.event("session.state_updated")
            began = gateway.post(
                "/v1/sessions/start",
                headers={"Authorization": f"Bearer {avatar.token}"},
            ).json()["data"]
            await avatar.say_raw("{nonsense")
            await avatar.event("error")
            return [
                *(avatar.token, avatar.ws_url.rpartition("/")[2]),
                *(began["livekit_client_token"], began["livekit_agent_token"]),
            ]

    hidden = asyncio.run(talk())
    return {VALUE, robot.key, robot.key.split("_", 2)[2], wrong, *hidden}


@pytest.mark.parametrize("level", ["DEBUG"])
def test_nothing_that_is_secret_is_told(livekit, tmp_path, level):
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log", LOG_LEVEL=level
    ) as gateway:
        hidden = use(gateway) | {livekit.secret}
        hidden |= set((tmp_path / "state.key").read_text().split())
        told = httpx.get(f"{gateway.url}/metrics").text
        told += httpx.get(f"{gateway.url}/openapi.json").text
        # It was made here, so it would be known to whoever reads the log.
        assert "session started" in (tmp_path / "log").read_text()
    told += (tmp_path / "log").read_text()
    assert len(hidden) > 8
    for secret in hidden:
        assert len(secret) > 15
        assert secret not in told


def test_the_state_holds_no_secret_that_can_be_read(livekit, tmp_path):
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log"
    ) as gateway:
        hidden = use(gateway)
    with sqlite3.connect(tmp_path / "log.db") as state:
        dump = "\n".join(state.iterdump())
    state.close()
    assert "lite_keys" in dump
    for secret in hidden:
        assert secret not in dump
