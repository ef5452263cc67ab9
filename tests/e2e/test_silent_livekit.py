"""LiveKit that is silent, slow or flooded: starts are told why, sessions go on."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio.from_thread
import httpx
import psutil
import pytest
from livekit import api

from bench.probe.faults import NEVER, slow_proxy, stopped
from bench.probe.listening import speech
from bench.probe.stack import Gateway, free_port, running_gateway
from lite_gateway.client import AvatarSession, open_session
from lite_gateway.devserver.process import LiveKit, running
from lite_gateway.rooms.livekit_room import JOIN_TIMEOUT_S
from lite_gateway.sessions.lite_input import CLIENT_GONE_S
from tests.e2e.calls import LEAN, ended, make_key, with_key
from tests.waiting import PATIENCE_S, until, until_async

pytestmark = pytest.mark.livekit
SECRET = "a LiveKit secret of at least 32 bytes"
SLOTS = 64
# The SDK gives up a connection after 5 s, asks the server why for 3 s, and connects
# again: this join succeeds after more than 12 s.
LATE_JOIN_S = (NEVER, NEVER, 4.5)
SDK_PANIC_S = 15.0  # the SDK's panic comes so long after a join that was cancelled


@dataclass(frozen=True)
class Stack:
    """Gateway and LiveKit server of this module, which its tests may stop."""

    gateway: Gateway
    livekit: LiveKit

    def bearer(self, **fields: object) -> dict[str, str]:
        created = self.gateway.create_session(**fields).json()["data"]
        return {"Authorization": f"Bearer {created['session_token']}"}

    def start(self, **fields: object) -> httpx.Response:
        bearer = self.bearer(**fields)
        return self.gateway.post("/v1/sessions/start", headers=bearer)

    def starts(self) -> bool:
        """Return whether a session starts, and stop it."""
        bearer = self.bearer()
        response = self.gateway.post("/v1/sessions/start", headers=bearer)
        self.gateway.post("/v1/sessions/stop", headers=bearer)
        return response.status_code == 201

    @property
    def free_slots(self) -> float:
        return self.gateway.metrics()["lite_slots_free"]

    def token(self, room: str, *, secret: str = SECRET) -> str:
        """Sign a token for the avatar's identity in a room of the caller."""
        grants = api.VideoGrants(room_join=True, room=room)
        token = api.AccessToken(self.livekit.key, secret)
        return token.with_identity("avatar").with_grants(grants).to_jwt()


@pytest.fixture(scope="module")
def stack(livekit_binary: Path, tmp_path_factory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("silent")
    server = running(
        livekit_binary, port=free_port(), secret=SECRET, log_path=folder / "lk.log"
    )
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(server) as livekit,
        running_gateway(
            livekit.url,
            livekit.key,
            SECRET,
            folder / "log",
            LITE_MAX_SESSIONS=str(SLOTS),
            **LEAN,
        ) as gateway,
    ):
        yield Stack(gateway, livekit)


@contextlib.asynccontextmanager
async def neighbour(stack: Stack) -> AsyncIterator[AvatarSession]:
    """Run a session that no fault is aimed at."""
    gateway = stack.gateway
    async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
        await speaks(avatar)
        yield avatar


async def speaks(avatar: AvatarSession) -> None:
    await avatar.speak(speech(0.3))
    await avatar.event("agent.speak_ended", timeout_s=PATIENCE_S)


def test_a_silent_livekit_delays_no_stop_and_answers_starts_in_time(stack):
    """Its process is stopped: connections are accepted, nothing is answered."""

    async def main() -> None:
        bearers = [stack.bearer() for _ in range(2)]
        for bearer in bearers:
            url = "/v1/sessions/start"
            assert stack.gateway.post(url, headers=bearer).status_code == 201
        async with neighbour(stack) as avatar:
            assert stack.free_slots == SLOTS - 3
            with stopped([stack.livekit.pid]):
                await asyncio.to_thread(check_while_silent, bearers)
                await speaks(avatar)
            await until_async(stack.starts)
            await speaks(avatar)

    def check_while_silent(bearers: list[dict[str, str]]) -> None:
        since_s = time.monotonic()
        response = stack.start()
        assert response.status_code in (502, 503)
        assert "no answer within" in response.json()["message"]
        assert stack.livekit.url not in response.text
        for bearer in bearers:
            stopping = stack.gateway.post("/v1/sessions/stop", headers=bearer)
            assert stopping.status_code == 200
        assert stack.free_slots == SLOTS - 1
        assert time.monotonic() - since_s < 3 * JOIN_TIMEOUT_S

    asyncio.run(main())


@pytest.mark.slow
def test_sessions_survive_a_livekit_that_is_silent_for_half_a_minute(stack):
    async def main() -> None:
        async with neighbour(stack) as avatar:
            with stopped([stack.livekit.pid]):
                await asyncio.sleep(30)
            await speaks(avatar)

    asyncio.run(main())


def test_forty_starts_at_once_are_served_or_told_the_reason(stack):
    async def main() -> list[httpx.Response]:
        async with neighbour(stack) as avatar:
            before = stack.free_slots
            bearers = [await asyncio.to_thread(stack.bearer) for _ in range(40)]
            url = f"{stack.gateway.url}/v1/sessions/start"
            limits = httpx.Limits(max_connections=None)
            async with (
                httpx.AsyncClient(timeout=PATIENCE_S, limits=limits) as client,
                asyncio.TaskGroup() as group,
            ):
                starts = [
                    group.create_task(client.post(url, headers=bearer))
                    for bearer in bearers
                ]
                await speaks(avatar)
            for bearer in bearers:
                await asyncio.to_thread(
                    stack.gateway.post, "/v1/sessions/stop", headers=bearer
                )
            await until_async(lambda: stack.free_slots == before)
            await speaks(avatar)
            return [start.result() for start in starts]

    responses = asyncio.run(main())
    counts = Counter(response.status_code for response in responses)
    assert set(counts) <= {201, 502, 503}, counts
    assert counts[201] >= 4, counts
    assert counts[502] <= 4, counts  # joins that a busy machine does not end in time
    for response in responses:
        if response.status_code == 502:
            assert "did not join the LiveKit room within" in response.json()["message"]
        if response.status_code == 503:
            assert "joining their rooms" in response.json()["message"]
            assert int(response.headers["Retry-After"]) > 0


@pytest.mark.slow
def test_a_late_join_ends_its_start_and_nothing_else(stack):
    """The SDK would end the process 15 s after a join that was cancelled."""
    port = int(stack.livekit.url.rpartition(":")[2])

    async def main() -> None:
        async with neighbour(stack) as avatar, slow_proxy(port, LATE_JOIN_S) as late:
            config = {
                "livekit_url": f"ws://127.0.0.1:{late}",
                "livekit_room": "late",
                "livekit_client_token": stack.token("late"),
            }
            metrics = stack.gateway.metrics()
            since_s = time.monotonic()
            response = await asyncio.to_thread(
                lambda: stack.start(livekit_config=config)
            )
            assert response.status_code == 400
            assert "did not join" in response.json()["message"]
            late_joins = stack.gateway.metrics()["lite_joins_late_total"]
            assert late_joins == metrics["lite_joins_late_total"] + 1
            assert stack.free_slots == metrics["lite_slots_free"]
            async with api.LiveKitAPI(stack.livekit.url, "devkey", SECRET) as server:

                async def rooms() -> list[api.Room]:
                    request = api.ListRoomsRequest(names=["late"])
                    return list((await server.room.list_rooms(request)).rooms)

                while not (joined := await rooms()):
                    assert time.monotonic() - since_s < PATIENCE_S
                    await asyncio.sleep(0.1)
                while joined and joined[0].num_participants:
                    joined = await rooms()
                    await asyncio.sleep(0.1)
            await asyncio.sleep(SDK_PANIC_S + 1)
            await speaks(avatar)
            assert stack.gateway.metrics()["lite_sdk_panics_total"] == 0

    asyncio.run(main())


@pytest.mark.slow
def test_a_forged_token_takes_no_identity(stack):
    """The client of the holder is gone, so its own key could replace it."""

    def own_room(token: str) -> dict[str, object]:
        url = stack.livekit.url
        config = {"livekit_url": url, "livekit_room": "room"}
        return {"livekit_config": {**config, "livekit_client_token": token}}

    valid, forged = (
        own_room(stack.token("room", secret=secret)) for secret in (SECRET, "x" * 32)
    )
    holder = stack.bearer(**valid)
    stack.gateway.post("/v1/sessions/start", headers=holder)
    [session_id] = stack.gateway.active_sessions()
    time.sleep(CLIENT_GONE_S + 1)
    assert stack.start(**forged).status_code == 400
    other_key = make_key(stack.gateway, "other")
    for token in (forged, valid):
        body = {"avatar_id": "fiducial", "mode": "LITE", **token}
        created = other_key.data("POST", "/v1/sessions/token", body)
        bearer = {"Authorization": f"Bearer {created['session_token']}"}
        response = stack.gateway.post("/v1/sessions/start", headers=bearer)
        assert response.status_code == 409
        assert session_id not in response.text
    assert stack.gateway.active_sessions() == [session_id]
    assert stack.start(**valid).status_code == 201
    assert ended(stack.gateway, session_id)["end_reason"] == "USER_DISCONNECTED"
    for running_id in stack.gateway.active_sessions():
        path = "/v1/sessions/stop"
        with_key(stack.gateway)("POST", path, {"session_id": running_id})


def test_a_gateway_ends_while_livekit_is_silent(stack):
    """The last test: the gateway of this module has ended then."""
    assert stack.start().status_code == 201
    process = psutil.Process(stack.gateway.pid)
    with stopped([stack.livekit.pid]):
        process.send_signal(signal.SIGTERM)
        until(lambda: process.status() == psutil.STATUS_ZOMBIE, 30.0)
