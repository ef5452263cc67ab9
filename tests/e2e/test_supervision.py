"""Faults that once ended every session and left a gateway that said it is ready."""

import asyncio
import contextlib

import pytest

from bench.probe.faults import odd_livekit
from bench.probe.listening import speech
from bench.probe.stack import running_gateway
from lite_gateway.client import ServerRefused, open_session
from tests.e2e import broken_gateway
from tests.e2e.calls import LEAN
from tests.e2e.endings import exit_status
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.livekit
SERVE = {**LEAN, "LITE_API_KEYS": "dev", "LITE_DRAIN_S": "30"}
ODD_ANSWERS = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\n"
    b'Content-Length: 8\r\nConnection: close\r\n\r\n["oops"]',
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 5\r\nConnection: close\r\n\r\nsorry",
)


def test_a_core_that_cannot_go_on_ends_the_process(livekit, tmp_path):
    """The task is started again six times first."""
    log = tmp_path / "log"
    connection = (livekit.url, livekit.key, livekit.secret, log)
    program = ("-m", broken_gateway.__name__)
    with running_gateway(*connection, mode="serve", command=program, **SERVE) as gate:

        async def main() -> None:
            async with open_session(gate.url, gate.key, avatar="fiducial") as avatar:
                (tmp_path / broken_gateway.FAULT_FILE).touch()
                restarts = 'lite_task_restarts_total{task="recorder"}'
                await asyncio.to_thread(until, lambda: gate.metrics()[restarts] >= 3)
                # It runs for a moment before each failure, and may be ready then.
                ready = lambda: gate.get("/ready").status_code  # noqa: E731
                await asyncio.to_thread(until, lambda: ready() == 503)
                event = await avatar.event("session.stopped", timeout_s=PATIENCE_S)
                assert event["end_reason"] == "SERVER_ERROR"

        with contextlib.suppress(ServerRefused):  # it cannot be asked to stop
            asyncio.run(asyncio.wait_for(main(), 2 * PATIENCE_S))
        assert exit_status(gate.pid, PATIENCE_S) == 1
    text = log.read_text()
    assert "IndexError" in text
    assert "lite-gateway: the gateway ended" in text


def test_an_odd_answer_of_livekit_ends_one_session_only(livekit, tmp_path):
    log, odd = tmp_path / "log", {}

    async def main() -> None:
        port = int(livekit.url.rpartition(":")[2])
        async with odd_livekit(port, odd) as proxy:
            await asyncio.to_thread(serve, f"ws://127.0.0.1:{proxy}")

    def serve(url: str) -> None:
        connection = (url, livekit.key, livekit.secret, log)
        with running_gateway(*connection, **LEAN) as gateway:
            asyncio.run(asyncio.wait_for(talk(gateway), PATIENCE_S))
            assert gateway.get("/health").text == "ok"
            assert gateway.get("/ready").status_code == 200
        assert "Traceback" not in log.read_text()

    async def talk(gateway) -> None:
        connection = gateway.url, gateway.key
        async with open_session(*connection, avatar="fiducial") as neighbour:
            for answer in ODD_ANSWERS:
                odd["/DeleteRoom"] = answer
                async with open_session(*connection, avatar="fiducial") as avatar:
                    await avatar.event("session.state_updated")
                await neighbour.speak(speech(0.3))
                await neighbour.speak_end()
                await neighbour.event("agent.speak_ended", timeout_s=PATIENCE_S)

    asyncio.run(main())
