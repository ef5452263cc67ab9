"""No secret in a log, a metric or an error, not even at the loudest log level."""

import asyncio
import sqlite3
import uuid
from dataclasses import dataclass

import pytest

from bench.probe.stack import running_gateway
from lite_gateway.client import open_session
from tests.e2e.calls import LEAN, make_key, with_key

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
    gateway.get(f"/v1/ws/nobody/{VALUE}")

    async def talk() -> list[str]:
        async with open_session(gateway.url, robot.key, avatar="fiducial") as avatar:
            await avatar.event("session.state_updated")
            began = gateway.post(
                "/v1/sessions/start",
                headers={"Authorization": f"Bearer {avatar.token}"},
            ).json()["data"]
            await avatar.send_raw("{nonsense")
            await avatar.event("error")
            return [
                *(avatar.token, avatar.ws_url.rpartition("/")[2]),
                *(began["livekit_client_token"], began["livekit_agent_token"]),
            ]

    hidden = asyncio.run(talk())
    return {VALUE, robot.key, robot.key.split("_", 2)[2], wrong, *hidden}


@dataclass(frozen=True)
class Day:
    """What was secret, and everything that was said and kept."""

    hidden: set[str]
    told: str
    log: str
    state: str


@pytest.fixture(scope="module")
def day(livekit, tmp_path_factory) -> Day:
    folder = tmp_path_factory.mktemp("hidden")
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, folder / "log"),
        LOG_LEVEL="DEBUG",
        **LEAN,
    ) as gateway:
        hidden = use(gateway) | {livekit.secret}
        told = gateway.get("/metrics").text + gateway.get("/openapi.json").text
    with sqlite3.connect(folder / "log.db") as state:
        dump = "\n".join(state.iterdump())
    state.close()
    hidden |= set((folder / "state.key").read_text().split())
    return Day(hidden, told, (folder / "log").read_text(), dump)


def test_no_secret_is_in_log_metrics_or_openapi(day):
    # It was made here, so it would be known to whoever reads the log.
    assert "session started" in day.log
    assert len(day.hidden) > 8
    for secret in day.hidden:
        assert len(secret) > 15
        assert secret not in day.told + day.log


def test_the_database_contains_no_readable_secret(day):
    assert "lite_keys" in day.state
    for secret in day.hidden:
        assert secret not in day.state
