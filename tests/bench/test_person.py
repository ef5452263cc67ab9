"""Person of the benchmark in a real room."""

import asyncio
import json

import pytest
from livekit import api, rtc

from bench.talks.person import Person
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.livekit

ROOM = "bench-person"


def token(livekit, identity: str) -> str:
    signed = api.AccessToken(livekit.key, livekit.secret).with_identity(identity)
    return signed.with_grants(api.VideoGrants(room_join=True, room=ROOM)).to_jwt()


class LateAgent:
    """Participant that subscribes to a microphone, and confirms the end, when told."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.published: asyncio.Future[rtc.RemoteTrackPublication] = asyncio.Future()
        self.commands: asyncio.Queue[str] = asyncio.Queue()
        self.room.on(
            "track_published", lambda track, _: self.published.set_result(track)
        )
        self.room.on(
            "data_received",
            lambda packet: self.commands.put_nowait(
                json.loads(packet.data)["event_type"]
            ),
        )

    async def confirm_stop(self) -> None:
        assert await self.commands.get() == "session.stop"
        await self.room.local_participant.publish_data(
            json.dumps({"event_type": "session.stopped"}), topic="agent-response"
        )


def test_a_person_is_there_when_the_agent_has_subscribed_to_the_microphone(livekit):
    async def main() -> list[str]:
        steps: list[str] = []
        agent = LateAgent()
        options = rtc.RoomOptions(auto_subscribe=False)
        await agent.room.connect(livekit.url, token(livekit, "agent"), options)

        async def visit() -> None:
            session = {
                "livekit_url": livekit.url,
                "livekit_client_token": token(livekit, "person"),
            }
            async with Person().visiting(session):
                steps.append("person is there")

        try:
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                group.create_task(visit())
                microphone = await agent.published
                await asyncio.sleep(1)  # a person that does not wait is there by now
                steps.append("agent subscribes")
                microphone.set_subscribed(True)
                await agent.confirm_stop()
        finally:
            await agent.room.disconnect()
        return steps

    assert asyncio.run(main()) == ["agent subscribes", "person is there"]
