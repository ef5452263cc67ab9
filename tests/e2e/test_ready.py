"""/ready says within its deadline why no session can start, and recovers."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio.from_thread
import httpx
import pytest

from bench.probe.faults import stopped
from bench.probe.listening import speech
from bench.probe.stack import Gateway, free_port, running_gateway
from lite_gateway.client import open_session
from lite_gateway.devserver.process import LiveKit, running
from lite_gateway.readiness import DEADLINE_S
from tests.e2e.calls import LEAN
from tests.fakes import SwitchedDriver
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.livekit
SECRET = "a LiveKit secret of at least 32 bytes"
DRIVER = f"{SwitchedDriver.__module__}:{SwitchedDriver.__name__}"


@dataclass(frozen=True)
class Stack:
    """Gateway with one slot, and a LiveKit server that its tests may stop."""

    gateway: Gateway
    livekit: LiveKit

    def ready(self) -> bool:
        return self.asked().status_code == 200

    def asked(self) -> httpx.Response:
        asked_s = time.monotonic()
        response = self.gateway.get("/ready")
        assert time.monotonic() - asked_s < 3 * DEADLINE_S
        return response

    def until_refused(self, reason: str) -> None:
        """Wait until /ready is 503 with this reason; metrics say it too."""
        until(lambda: reason in self.asked().text)
        assert self.asked().status_code == 503
        assert self.gateway.metrics()["lite_ready"] == 0
        assert self.gateway.get("/health").status_code == 200


@pytest.fixture(scope="module")
def stack(livekit_binary: Path, tmp_path_factory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("ready")
    server = running(
        livekit_binary, port=free_port(), secret=SECRET, log_path=folder / "lk.log"
    )
    env = {**LEAN, "LITE_MAX_SESSIONS": "1", "LITE_DRIVER": DRIVER}
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(server) as livekit,
        running_gateway(
            livekit.url, livekit.key, SECRET, folder / "log", **env
        ) as gateway,
    ):
        yield Stack(gateway, livekit)


def dependency(stack: Stack, name: str) -> float:
    return stack.gateway.metrics()[f'lite_dependency_up{{dependency="{name}"}}']


def test_a_livekit_server_that_is_silent(stack):
    with stopped([stack.livekit.pid]):
        stack.until_refused("LiveKit does not answer")
        assert stack.livekit.url not in stack.asked().text
        assert dependency(stack, "livekit") == 0
    until(stack.ready)
    assert dependency(stack, "livekit") == 1


def test_a_database_that_another_program_locks(stack):
    path = stack.gateway.log_path.with_name(f"{stack.gateway.log_path.name}.db")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stack.until_refused("the database cannot be written")
        assert dependency(stack, "database") == 0
    until(stack.ready)


def test_a_full_house(stack):
    async def main() -> None:
        gateway = stack.gateway
        async with open_session(gateway.url, gateway.key, avatar="fiducial"):
            await asyncio.to_thread(stack.until_refused, "slots are in use")
            assert gateway.metrics()["lite_slots_free"] == 0

    asyncio.run(main())
    until(stack.ready)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("fails", "fails at every frame"),
        ("interrupts", "fails at every frame"),
        ("hangs", "hangs in a frame"),
    ],
)
def test_a_driver_that_breaks_and_is_well_again(stack, fault, reason):
    """The voice goes on meanwhile. Later the gateway itself finds that all is well."""
    gateway = stack.gateway
    file = gateway.log_path.with_name(SwitchedDriver.FAULT_FILE)

    async def main() -> None:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
            file.write_text(fault)
            await avatar.speak(speech(1.0))
            await avatar.speak_end()
            await avatar.event("agent.speak_ended", timeout_s=PATIENCE_S)
            await asyncio.to_thread(stack.until_refused, reason)

    try:
        asyncio.run(main())
        assert not stack.ready()
    finally:
        file.write_text("")
    until(stack.ready)
