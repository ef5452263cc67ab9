"""Events in the room that end a session: users who leave, rooms that close."""

import asyncio
import contextlib
import threading
import time

import pytest
from livekit import api, rtc

from bench.probe.stack import running_gateway
from lite_gateway.client import open_session
from lite_gateway.sessions.lite_input import CLIENT_GONE_S
from tests.e2e.calls import LEAN, ended
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.livekit
GONE_S = 3.0  # grace time; long enough to rejoin, also on a busy machine


@pytest.fixture(scope="module")
def short_grace(livekit, tmp_path_factory):
    """Run a gateway with a short grace time for users who left."""
    log_path = tmp_path_factory.mktemp("short_grace") / "log"
    with running_gateway(
        livekit.url,
        livekit.key,
        livekit.secret,
        log_path,
        LITE_USER_GONE_S=str(GONE_S),
        LITE_MAX_SESSIONS="2",
        **LEAN,
    ) as running:
        yield running


@contextlib.asynccontextmanager
async def user(avatar):
    room = rtc.Room()
    await room.connect(avatar.livekit_url, avatar.livekit_client_token)
    try:
        yield room
    finally:
        await room.disconnect()


async def stopped_event(avatar) -> dict:
    return await asyncio.wait_for(avatar.event("session.stopped"), PATIENCE_S)


def wait_ended(gateway, session_id: str) -> dict:
    """Wait until a session has ended and freed its slot, and return it."""
    until(lambda: not gateway.metrics()["lite_sessions"])
    return ended(gateway, session_id)


@pytest.mark.slow
def test_a_session_ends_after_its_user_has_left_for_the_grace_time(short_grace):
    async def main() -> tuple[str, dict, float]:
        async with open_session(
            short_grace.url, short_grace.key, avatar="fiducial"
        ) as avatar:
            async with user(avatar):
                await asyncio.sleep(GONE_S + 1)
            async with user(avatar):  # as after a reload of the page
                left_s = time.monotonic()
            return (
                avatar.session_id,
                await stopped_event(avatar),
                time.monotonic() - left_s,
            )

    session_id, stopped, waited_s = asyncio.run(main())
    assert stopped["end_reason"] == "USER_DISCONNECTED"
    assert "all users left" in stopped["message"]
    assert waited_s > GONE_S - 0.5
    assert wait_ended(short_grace, session_id)["end_reason"] == "USER_DISCONNECTED"


def test_agents_in_the_room_do_not_count_as_users(short_grace):
    """An agent joins and leaves; the session goes on because no user has left."""

    async def main() -> str:
        async with open_session(
            short_grace.url, short_grace.key, avatar="fiducial"
        ) as avatar:
            agent = rtc.Room()
            token = api.AccessToken("devkey", "a LiveKit secret of at least 32 bytes")
            token = token.with_identity("agent-x").with_grants(
                api.VideoGrants(room_join=True, room=avatar.session_id)
            )
            await agent.connect(avatar.livekit_url, token.to_jwt())
            await agent.disconnect()
            await asyncio.sleep(GONE_S + 1)
            await avatar.interrupt()
            await avatar.event("agent.audio_buffer_cleared")
            return avatar.session_id

    session_id = asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
    assert wait_ended(short_grace, session_id)["end_reason"] == "USER_CLOSED"


def test_a_deleted_room_ends_the_session_and_frees_its_slot(short_grace, livekit):
    async def main() -> tuple[str, dict]:
        async with (
            api.LiveKitAPI(livekit.url, livekit.key, livekit.secret) as server,
            open_session(short_grace.url, short_grace.key, avatar="fiducial") as avatar,
        ):
            await avatar.event("session.state_updated")
            request = api.DeleteRoomRequest(room=avatar.session_id)
            await server.room.delete_room(request)
            return avatar.session_id, await stopped_event(avatar)

    for _ in range(3):  # more than LITE_MAX_SESSIONS
        session_id, stopped = asyncio.run(main())
        assert stopped["end_reason"] == "USER_CLOSED"
        assert "ROOM_DELETED" in stopped["message"]
        item = wait_ended(short_grace, session_id)
        assert item["end_reason"] == "USER_CLOSED"
        assert "ROOM_DELETED" in item["end_message"]


def own_room(livekit, room: str, identity: str) -> dict:
    token = (
        api.AccessToken(livekit.key, livekit.secret)
        .with_identity(identity)
        .with_grants(api.VideoGrants(room_join=True, room=room))
    )
    config = {"livekit_url": livekit.url, "livekit_room": room}
    return {"livekit_config": {**config, "livekit_client_token": token.to_jwt()}}


def test_a_second_avatar_with_the_same_identity_is_refused(gateway, livekit):
    config = own_room(livekit, "shared", "avatar")

    async def main() -> str:
        async with open_session(
            gateway.url, gateway.key, avatar="fiducial", **config
        ) as first:
            await first.event("session.state_updated")
            minted = await asyncio.to_thread(lambda: gateway.create_session(**config))
            bearer = {
                "Authorization": f"Bearer {minted.json()['data']['session_token']}"
            }
            second = await asyncio.to_thread(
                lambda: gateway.post("/v1/sessions/start", headers=bearer)
            )
            assert second.status_code == 409
            assert first.session_id in second.json()["message"]
            other = own_room(livekit, "shared", "another")
            async with open_session(
                gateway.url, gateway.key, avatar="fiducial", **other
            ) as third:
                await third.event("session.state_updated")
            await first.interrupt()
            await first.event("agent.audio_buffer_cleared")
            return first.session_id

    session_id = asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
    assert ended(gateway, session_id)["end_reason"] == "USER_CLOSED"


@pytest.mark.slow
def test_an_abandoned_avatar_is_replaced_by_the_next_with_its_identity(
    gateway, livekit
):
    config = own_room(livekit, "abandoned", "avatar")
    minted = gateway.create_session(**config).json()["data"]
    bearer = {"Authorization": f"Bearer {minted['session_token']}"}
    assert gateway.post("/v1/sessions/start", headers=bearer).status_code == 201
    time.sleep(CLIENT_GONE_S + 1)  # an agent that crashed

    async def main() -> None:
        async with open_session(
            gateway.url, gateway.key, avatar="fiducial", **config
        ) as again:
            await again.event("session.state_updated")
            await asyncio.sleep(1)
            await again.interrupt()
            await again.event("agent.audio_buffer_cleared")

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
    item = ended(gateway, minted["session_id"])
    assert item["end_reason"] == "USER_DISCONNECTED"
    assert "took its identity" in item["end_message"]


def test_two_starts_at_the_same_time_share_a_session_but_not_an_identity(gateway):
    data = gateway.create_session().json()["data"]
    bearer = {"Authorization": f"Bearer {data['session_token']}"}

    async def main() -> set[str]:
        def start() -> dict:
            return gateway.post("/v1/sessions/start", headers=bearer).json()["data"]

        async with asyncio.TaskGroup() as group:
            starts = [group.create_task(asyncio.to_thread(start)) for _ in range(2)]
        started = [start.result() for start in starts]
        assert started[0]["ws_url"] == started[1]["ws_url"]
        rooms, seen = [rtc.Room(), rtc.Room()], asyncio.Event()
        rooms[0].on("participant_connected", lambda _: seen.set())
        for room, session in zip(rooms, started, strict=True):
            await room.connect(session["livekit_url"], session["livekit_client_token"])
        await asyncio.wait_for(seen.wait(), PATIENCE_S)
        identities = set(rooms[0].remote_participants)
        for room in rooms:
            assert room.isconnected()
            await room.disconnect()
        return identities

    identities = asyncio.run(main())
    assert "heygen" in identities
    assert len(identities) == 2
    gateway.post("/v1/sessions/stop", headers=bearer)


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.03, 0.1])
def test_a_session_can_be_stopped_while_it_starts(gateway, after_s):
    data = gateway.create_session().json()["data"]
    bearer = {"Authorization": f"Bearer {data['session_token']}"}
    starting = threading.Thread(
        target=gateway.post, args=("/v1/sessions/start",), kwargs={"headers": bearer}
    )
    starting.start()
    time.sleep(after_s)
    stopped = gateway.post("/v1/sessions/stop", headers=bearer)
    assert stopped.status_code == 200
    starting.join()
    assert ended(gateway, data["session_id"])["end_reason"] == "USER_CLOSED"
    assert data["session_id"] not in gateway.active_sessions()
    again = gateway.post("/v1/sessions/start", headers=bearer)
    assert again.status_code == 409
