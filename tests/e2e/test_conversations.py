"""Conversations in a real room: their start, their end, and the loss of their agent."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from livekit import rtc

from bench.probe.stack import Gateway, running_gateway
from lite_gateway.client import open_session
from lite_gateway.playout.trace import TurnCut
from tests.e2e.calls import LEAN, ended, with_key
from tests.e2e.talking import wait_ready
from tests.e2e.traced import traced
from tests.fakes import tone
from tests.waiting import PATIENCE_S, best_of, figures, until, until_async

pytestmark = pytest.mark.livekit

NOWHERE = "http://127.0.0.1:9/v1"
SERVICES = {
    "LITE_STT_URL": NOWHERE,
    "LITE_TTS_URL": NOWHERE,
    "LITE_LLM_URL": NOWHERE,
    "LITE_LLM_MODEL": "none",
}
SMALL = {"avatar_id": "fiducial", "video_settings": {"quality": "256x256"}}
FULL = {**SMALL, "mode": "FULL", "avatar_persona": {}}


def state(gateway: Gateway) -> str:
    return gateway.get("/ready").json()["conversations"]


@pytest.fixture(scope="module")
def talking(livekit, tmp_path_factory):
    """Run a gateway whose agent process speaks each text as a tone of a second."""
    log_path = tmp_path_factory.mktemp("talking") / "log"
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, log_path),
        command=("-m", "tests.e2e.strange_gateway"),
        LITE_CONVERSATIONS="auto",
        LITE_TRACE=str(log_path.with_name("trace")),
        **SERVICES,
        **LEAN,
    ) as running:
        wait_ready(running)
        yield running


def start(gateway: Gateway, **fields) -> tuple[int, dict]:
    """Create and start a session; return the status and data, or the error."""
    call = with_key(gateway)
    token = call.data("POST", "/v1/sessions/token", {**FULL, **fields})
    headers = {"Authorization": f"Bearer {token['session_token']}"}
    response = gateway.post("/v1/sessions/start", headers=headers)
    body = response.json()
    return response.status_code, body.get("data") or {**body, **response.headers}


class Visitor:
    """Client in the room: sends commands, keeps events, and hears the avatar."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.events: list[dict] = []
        self.left: list[float] = []
        self.room.on("data_received", self._on_data)
        self.room.on("disconnected", lambda _: self.left.append(time.monotonic()))

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic == "agent-response":
            self.events.append({**json.loads(packet.data), "at_s": time.monotonic()})

    async def send(self, kind: str, **fields: str) -> None:
        data = json.dumps({"event_type": kind, **fields})
        await self.room.local_participant.publish_data(
            data, reliable=True, topic="agent-control"
        )

    async def event(self, kind: str) -> dict:
        await until_async(lambda: kind in self.kinds)
        return self.events[self.kinds.index(kind)]

    @property
    def kinds(self) -> list[str]:
        return [event["event_type"] for event in self.events]


@contextlib.asynccontextmanager
async def visiting(session: dict) -> AsyncIterator[Visitor]:
    visitor = Visitor()
    await visitor.room.connect(session["livekit_url"], session["livekit_client_token"])
    try:
        yield visitor
    finally:
        await visitor.room.disconnect()


def test_a_session_starts_without_a_socket_speaks_and_stops(talking):
    status, session = start(talking)
    assert status == 201
    assert sorted(session) == [
        *("livekit_agent_token", "livekit_client_token", "livekit_url"),
        *("max_session_duration", "session_id"),
    ]

    async def main() -> None:
        async with visiting(session) as visitor:
            await visitor.send("avatar.speak_text", text="hello", event_id="e1")
            over = await visitor.event("avatar.speak_ended")
            assert over["source_event_id"] == "e1"
            await visitor.send("session.stop", event_id="e2")
            stopped = await visitor.event("session.stopped")
            assert stopped["source_event_id"] == "e2"
            assert stopped["stop_reason"] == "USER_CLOSED"
            await until_async(lambda: visitor.left)
            assert visitor.kinds == [
                "avatar.transcription",
                "avatar.speak_started",
                "avatar.speak_ended",
                "session.stopped",
            ]
            # A browser must read the event before the room is gone. How long before,
            # tests/conversation/test_data_channel.py says.
            assert visitor.left[0] > stopped["at_s"]

    asyncio.run(main())
    assert ended(talking, session["session_id"])["end_reason"] == "USER_CLOSED"


def test_the_agents_token_of_a_conversation_has_an_identity_of_its_own(talking):
    _, session = start(talking)

    async def main() -> None:
        back_end = rtc.Room()
        url, token = session["livekit_url"], session["livekit_agent_token"]
        await back_end.connect(url, token)
        try:
            identity = back_end.local_participant.identity
            assert identity != f"liveavatar-agent-{session['session_id']}"
        finally:
            await back_end.disconnect()

    asyncio.run(main())


@best_of(3)
def test_a_killed_agent_is_silent_at_once_and_harms_no_other_session(talking):
    _, session = start(talking)
    children = children_started(talking)

    async def main() -> tuple[float, float, str]:
        async with (
            open_session(
                talking.url, talking.key, avatar="fiducial", video_settings=QUALITY
            ) as other,
            visiting(session) as visitor,
        ):
            await other.speak(tone(6.0))
            await visitor.send("avatar.speak_text", text="30")
            await visitor.event("avatar.speak_started")
            await asyncio.sleep(1)
            # The strange agent kills itself when it reads this.
            killed_s = time.monotonic()
            await visitor.send("avatar.speak_response", text="die")
            await asyncio.to_thread(until, lambda: start(talking)[0] == 201)
            again_s = time.monotonic()
            error = await visitor.event("error")
            assert error["code"] == "restarting"
            stopped = await visitor.event("session.stopped")
            assert stopped["stop_reason"] == "SERVER_ERROR"
            kinds = visitor.kinds
            assert kinds.index("avatar.speak_ended") < kinds.index("session.stopped")
            end = await other.event(
                "agent.speak_ended", "agent.speak_interrupted", timeout_s=PATIENCE_S
            )
            return killed_s, again_s, end["type"]

    killed_s, again_s, other_end = asyncio.run(main())
    assert other_end == "agent.speak_ended"
    assert ended(talking, session["session_id"])["end_reason"] == "SERVER_ERROR"
    [cut] = traced(talking, session, TurnCut)
    with figures():
        assert cut.at_s - killed_s < 0.1
        assert again_s - killed_s < 5
    assert children_started(talking) == children + 1


QUALITY = {"quality": "256x256"}


def children_started(gateway: Gateway) -> float:
    return gateway.metrics()["lite_conversation_children_started_total"]


def test_while_the_agent_starts_a_session_is_refused_for_a_while(
    livekit, tmp_path: Path
):
    """The agent process of this gateway never becomes ready."""
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, tmp_path / "log"),
        command=("-c", NEVER_READY),
        LITE_CONVERSATIONS="auto",
        **SERVICES,
        **LEAN,
    ) as gateway:
        assert state(gateway) == "starting"
        status, error = start(gateway)
        assert (status, error["retry-after"]) == (503, "5")
        assert "agent process is starting" in error["message"]
        status, _ = start(gateway, mode="LITE")
        assert status == 201


NEVER_READY = """
from lite_gateway.__main__ import main
from lite_gateway.conversation.agent_process import AgentProcess
AgentProcess.__init__.__kwdefaults__["module"] = "tests.no_such_module"
AgentProcess.missing_packages = lambda *_, **__: ""
main()
"""


def test_a_gateway_without_conversations_says_so(gateway):
    assert state(gateway) == "off"
    response = gateway.create_session(mode="FULL", avatar_persona={})
    assert response.status_code == 422
    assert "LITE_CONVERSATIONS" in response.json()["message"]
