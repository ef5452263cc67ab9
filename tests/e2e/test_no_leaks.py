"""Search for secrets in log, metrics and database, at log level DEBUG."""

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


def use_secrets(gateway) -> set[str]:
    """Use every kind of secret, rightly and wrongly, and return them all."""
    robot = make_key(gateway, "robot", "--scopes", "mint,admin")
    body = {"secret_name": "n", "secret_value": VALUE, "secret_type": "LLM_API_KEY"}
    robot("POST", "/v1/secrets", body)
    robot("POST", "/v1/secrets", {**body, "secret_type": VALUE})
    wrong = f"{robot.key}x"
    with_key(gateway, wrong)("GET", "/v1/secrets")
    gateway.get(f"/v1/ws/unknown/{VALUE}")

    async def talk() -> list[str]:
        async with open_session(gateway.url, robot.key, avatar="fiducial") as avatar:
            await avatar.event("session.state_updated")
            started = gateway.post(
                "/v1/sessions/start",
                headers={"Authorization": f"Bearer {avatar.token}"},
            ).json()["data"]
            await avatar.send_raw("{nonsense")
            await avatar.event("error")
            return [
                *(avatar.token, avatar.ws_url.rpartition("/")[2]),
                *(started["livekit_client_token"], started["livekit_agent_token"]),
            ]

    secrets = asyncio.run(talk())
    return {VALUE, robot.key, robot.key.split("_", 2)[2], wrong, *secrets}


@dataclass(frozen=True)
class Outputs:
    """The secrets, and everything that the gateway wrote: responses, log, database."""

    secrets: set[str]
    responses: str
    log: str
    database: str


@pytest.fixture(scope="module")
def outputs(livekit, tmp_path_factory) -> Outputs:
    folder = tmp_path_factory.mktemp("leaks")
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, folder / "log"),
        LOG_LEVEL="DEBUG",
        **LEAN,
    ) as gateway:
        secrets = use_secrets(gateway) | {livekit.secret}
        responses = gateway.get("/metrics").text + gateway.get("/openapi.json").text
    with sqlite3.connect(folder / "log.db") as state:
        dump = "\n".join(state.iterdump())
    state.close()
    secrets |= set((folder / "state.key").read_text().split())
    return Outputs(secrets, responses, (folder / "log").read_text(), dump)


def test_no_secret_is_in_log_metrics_or_openapi(outputs):
    # This line proves that the log is the one of the run.
    assert "session started" in outputs.log
    assert len(outputs.secrets) > 8
    for secret in outputs.secrets:
        assert len(secret) > 15
        assert secret not in outputs.responses + outputs.log


def test_the_database_contains_no_readable_secret(outputs):
    assert "lite_keys" in outputs.database
    for secret in outputs.secrets:
        assert secret not in outputs.database
