"""A gateway whose PostgreSQL server is stopped, not ended: nothing waits for it."""

import asyncio
import os
import signal
import time

import httpx
import psutil
import pytest

from bench.probe.faults import postgres_processes, stopped
from bench.probe.listening import speech
from bench.probe.postgres import empty_database
from bench.probe.stack import running_gateway
from lite_gateway.client import open_session
from lite_gateway.store.engine import DEADLINE_S
from tests.e2e.calls import LEAN
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.livekit, pytest.mark.postgres, pytest.mark.slow]
GENEROUS_S = 3 * DEADLINE_S


async def mint(client: httpx.AsyncClient, gateway) -> tuple[int, float]:
    started_s = time.monotonic()
    body = {"avatar_id": "fiducial", "mode": "LITE"}
    headers = {"X-API-KEY": gateway.key}
    url = f"{gateway.url}/v1/sessions/token"
    response = await client.post(url, json=body, headers=headers)
    return response.status_code, time.monotonic() - started_s


def test_sessions_speak_and_stop_while_the_database_is_stopped(
    livekit, postgres, tmp_path
):
    env = {**LEAN, "LITE_DATABASE": empty_database(postgres)}
    env["XDG_DATA_HOME"] = str(tmp_path)
    log_path = tmp_path / "log"

    async def main(gateway) -> str:
        async with (
            httpx.AsyncClient(timeout=PATIENCE_S) as client,
            open_session(gateway.url, gateway.key, avatar="fiducial") as avatar,
        ):
            with stopped(postgres_processes(postgres)):
                async with asyncio.TaskGroup() as group:
                    mints = [group.create_task(mint(client, gateway)) for _ in range(6)]
                    await avatar.speak(speech(1.0))
                    await avatar.speak_end()
                    await avatar.event("agent.speak_ended")
                    started_s = time.monotonic()
                    ready = await client.get(f"{gateway.url}/ready")
                    assert time.monotonic() - started_s < GENEROUS_S
                results = [task.result() for task in mints]
                assert [status for status, _ in results] == [503] * len(results)
                assert max(took_s for _, took_s in results) < GENEROUS_S
                assert ready.status_code == 503
                started_s = time.monotonic()
                headers = {"X-API-KEY": gateway.key}
                stop = await client.post(
                    f"{gateway.url}/v1/sessions/stop",
                    json={"session_id": avatar.session_id},
                    headers=headers,
                )
                assert stop.status_code == 200
                assert time.monotonic() - started_s < GENEROUS_S
            status, took_s = await mint(client, gateway)
            assert status == 200
            assert took_s < DEADLINE_S
            path = f"{gateway.url}/v1/sessions/{avatar.session_id}"

            async def end_reason() -> str | None:
                item = await client.get(path, headers=headers)
                return item.json()["data"]["end_reason"]

            async with asyncio.timeout(PATIENCE_S):
                while (reason := await end_reason()) is None:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.2)
            return reason

    with running_gateway(
        livekit.url, livekit.key, livekit.secret, log_path, **env
    ) as gateway:
        assert asyncio.run(main(gateway)) == "USER_CLOSED"
        with stopped(postgres_processes(postgres)):
            process = psutil.Process(gateway.pid)
            os.kill(gateway.pid, signal.SIGTERM)
            psutil.wait_procs([process], timeout=PATIENCE_S)
            assert not process.is_running() or process.status() == "zombie"
    assert "Traceback" not in log_path.read_text()
