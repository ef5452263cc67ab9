"""SIGTERM: sentences are finished, clients are told, and the process ends in time."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.probe.listening import speech
from bench.probe.stack import Gateway, running_gateway
from lite_gateway.client import ServerRefused, open_session
from lite_gateway.server import EXIT_GRACE_S
from tests.e2e.calls import LEAN
from tests.e2e.endings import exit_status
from tests.fakes import SwitchedDriver
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.livekit
TURN_S = 5.0  # in which a busy machine answers the requests of a drain
DRIVER = f"{SwitchedDriver.__module__}:{SwitchedDriver.__name__}"


@pytest.fixture
def gateway(livekit, tmp_path: Path) -> Iterator[Gateway]:
    env = {**LEAN, "LITE_API_KEYS": "dev", "LITE_DRIVER": DRIVER}
    connection = (livekit.url, livekit.key, livekit.secret, tmp_path / "log")
    with running_gateway(*connection, mode="serve", **env) as running:
        yield running


async def told(avatar, *types: str) -> dict:
    return await avatar.event(*types, timeout_s=PATIENCE_S)


def test_a_drain_lets_sentences_end_and_refuses_new_sessions(gateway):
    statuses: list[int] = []

    async def main() -> None:
        connection = gateway.url, gateway.key
        unstarted = gateway.create_session().json()["data"]["session_token"]
        async with (
            open_session(*connection, avatar="fiducial") as speaking,
            open_session(*connection, avatar="fiducial") as silent,
        ):
            await speaking.speak(speech(TURN_S))
            await speaking.speak_end()
            await told(speaking, "agent.speak_started")
            os.kill(gateway.pid, signal.SIGTERM)
            stopped = await told(silent, "session.stopped")
            assert stopped["end_reason"] == "SERVER_SHUTDOWN"
            assert "start a new session" in stopped["message"]
            await asyncio.to_thread(refuses, unstarted)
            await told(speaking, "agent.speak_ended")
            stopped = await told(speaking, "session.stopped")
            assert stopped["end_reason"] == "SERVER_SHUTDOWN"
            async for _ in speaking.events():
                pass
            assert speaking.close_reason.startswith("1000")
            statuses.append(exit_status(gateway.pid, PATIENCE_S))

    def refuses(session_token: str) -> None:
        ready = gateway.get("/ready")
        assert (ready.status_code, gateway.get("/health").status_code) == (503, 200)
        assert "draining" in ready.json()["message"]
        bearer = {"Authorization": f"Bearer {session_token}"}
        for response in (
            gateway.create_session(),
            gateway.post("/v1/sessions/start", headers=bearer),
        ):
            assert response.status_code == 503
            assert int(response.headers["Retry-After"]) > 0
            assert "shutting down" in response.json()["message"]

    run(main())
    assert statuses == [0]


def test_a_second_signal_ends_sessions_in_the_middle_of_a_word(gateway):
    statuses: list[int] = []

    async def main() -> None:
        async with open_session(
            gateway.url, gateway.key, avatar="fiducial"
        ) as speaking:
            await speaking.speak(speech(30.0))
            await told(speaking, "agent.speak_started")
            os.kill(gateway.pid, signal.SIGTERM)
            await asyncio.to_thread(until, lambda: "draining" in read_log(gateway))
            os.kill(gateway.pid, signal.SIGTERM)
            cut = await told(speaking, "agent.speak_ended", "agent.speak_interrupted")
            assert cut["type"] == "agent.speak_interrupted"
            stopped = await told(speaking, "session.stopped")
            assert stopped["end_reason"] == "SERVER_SHUTDOWN"
            statuses.append(exit_status(gateway.pid, PATIENCE_S))

    run(main())
    assert statuses == [0]


def test_a_driver_that_hangs_does_not_keep_the_process(gateway):
    """The thread of the renderer never returns, and the process ends all the same."""
    fault = gateway.log_path.with_name(SwitchedDriver.FAULT_FILE)

    statuses: list[int] = []

    async def main() -> None:
        async with open_session(
            gateway.url, gateway.key, avatar="fiducial"
        ) as speaking:
            fault.write_text("hangs")
            await speaking.speak(speech(0.5))
            await speaking.speak_end()
            await told(speaking, "agent.speak_ended")  # the voice goes on
            os.kill(gateway.pid, signal.SIGTERM)
            stopped = await told(speaking, "session.stopped")
            assert stopped["end_reason"] == "SERVER_SHUTDOWN"
            statuses.append(exit_status(gateway.pid, 3 * EXIT_GRACE_S))

    run(main())
    assert statuses == [0]
    assert "ended by force" not in read_log(gateway)


def run(client) -> None:
    """Run a client whose server has ended when it stops its session."""
    with contextlib.suppress(ServerRefused):
        asyncio.run(asyncio.wait_for(client, 2 * PATIENCE_S))


def read_log(gateway: Gateway) -> str:
    return gateway.log_path.read_text(errors="replace")
