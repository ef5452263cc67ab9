"""What happens in the room ends the session: users who leave, rooms that go."""

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
GONE_S = 3.0  # within it a user who left is back, also on a busy machine


@pytest.fixture(scope="module")
def strict(livekit, tmp_path_factory):
    """A gateway that does not wait long for users to come back."""
    log_path = tmp_path_factory.mktemp("strict") / "log"
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


async def told(avatar) -> dict:
    return await asyncio.wait_for(avatar.event("session.stopped"), PATIENCE_S)


def ending(gateway, session_id: str) -> dict:
    """Of a session that is over and has left its place."""
    until(lambda: not gateway.metrics()["lite_sessions"])
    return ended(gateway, session_id)


@pytest.mark.slow
def test_a_session_ends_after_its_user_has_left_for_the_grace_time(strict):
    async def main() -> tuple[str, dict, float]:
        async with open_session(strict.url, strict.key, avatar="fiducial") as avatar:
            async with user(avatar):
                await asyncio.sleep(GONE_S + 1)
            async with user(avatar):  # a page that was loaded again
                left_s = time.monotonic()
            return avatar.session_id, await told(avatar), time.monotonic() - left_s

    session_id, stopped, waited_s = asyncio.run(main())
    assert stopped["end_reason"] == "USER_DISCONNECTED"
    assert "all users left" in stopped["message"]
    assert waited_s > GONE_S - 0.5
    assert ending(strict, session_id)["end_reason"] == "USER_DISCONNECTED"


def test_agents_in_the_room_do_not_count_as_users(strict):
    """An agent may come and go; nobody was there to leave."""

    async def main() -> str:
        async with open_session(strict.url, strict.key, avatar="fiducial") as avatar:
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
    assert ending(strict, session_id)["end_reason"] == "USER_CLOSED"


def test_a_deleted_room_ends_the_session_and_frees_its_slot(strict, livekit):
    async def main() -> tuple[str, dict]:
        async with (
            api.LiveKitAPI(livekit.url, livekit.key, livekit.secret) as server,
            open_session(strict.url, strict.key, avatar="fiducial") as avatar,
        ):
            await avatar.event("session.state_updated")
            request = api.DeleteRoomRequest(room=avatar.session_id)
            await server.room.delete_room(request)
            return avatar.session_id, await told(avatar)

    for _ in range(3):  # more than there are places
        session_id, stopped = asyncio.run(main())
        assert stopped["end_reason"] == "USER_CLOSED"
        assert "ROOM_DELETED" in stopped["message"]
        item = ending(strict, session_id)
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
    wanted = own_room(livekit, "shared", "avatar")

    async def main() -> str:
        async with open_session(
            gateway.url, gateway.key, avatar="fiducial", **wanted
        ) as first:
            await first.event("session.state_updated")
            minted = await asyncio.to_thread(lambda: gateway.mint(**wanted))
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
    wanted = own_room(livekit, "taken over", "avatar")
    minted = gateway.mint(**wanted).json()["data"]
    bearer = {"Authorization": f"Bearer {minted['session_token']}"}
    assert gateway.post("/v1/sessions/start", headers=bearer).status_code == 201
    time.sleep(CLIENT_GONE_S + 1)  # an agent that crashed

    async def main() -> None:
        async with open_session(
            gateway.url, gateway.key, avatar="fiducial", **wanted
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
    data = gateway.mint().json()["data"]
    bearer = {"Authorization": f"Bearer {data['session_token']}"}

    async def main() -> set[str]:
        def start() -> dict:
            return gateway.post("/v1/sessions/start", headers=bearer).json()["data"]

        async with asyncio.TaskGroup() as group:
            starts = [group.create_task(asyncio.to_thread(start)) for _ in range(2)]
        began = [start.result() for start in starts]
        assert began[0]["ws_url"] == began[1]["ws_url"]
        rooms, seen = [rtc.Room(), rtc.Room()], asyncio.Event()
        rooms[0].on("participant_connected", lambda _: seen.set())
        for room, each in zip(rooms, began, strict=True):
            await room.connect(each["livekit_url"], each["livekit_client_token"])
        await asyncio.wait_for(seen.wait(), PATIENCE_S)
        there = set(rooms[0].remote_participants)
        for room in rooms:
            assert room.isconnected()
            await room.disconnect()
        return there

    there = asyncio.run(main())
    assert "heygen" in there
    assert len(there) == 2
    gateway.post("/v1/sessions/stop", headers=bearer)


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.03, 0.1])
def test_a_session_can_be_stopped_while_it_starts(gateway, after_s):
    data = gateway.mint().json()["data"]
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
    assert data["session_id"] not in gateway.active()
    again = gateway.post("/v1/sessions/start", headers=bearer)
    assert again.status_code == 409
