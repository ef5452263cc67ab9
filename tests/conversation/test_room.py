"""Room of a conversation: who is heard in it."""

import asyncio

import pytest

pytest.importorskip("livekit.agents", reason="needs lite-gateway[agent]")

from livekit import rtc

from conversation.agent.microphone import Microphone
from conversation.agent.room import ConversationRoom, NotJoined
from tests import virtual
from tests.conversation.rooms import (
    MemoryParticipant,
    MemoryRoom,
    camera,
    voice,
)


class RoomFixture:
    """Conversation in a room in memory."""

    def __init__(self) -> None:
        self.livekit = MemoryRoom()
        self.microphone = Microphone(listening=True)
        self.room = ConversationRoom("avatar", self.microphone, room=self.livekit)

    async def join(self) -> None:
        await self.room.join("ws://localhost", "token")


def in_room(check):
    """Run ``check`` with an agent that has joined."""

    async def main():
        on = RoomFixture()
        await on.join()
        await check(on)
        await on.room.leave()

    virtual.run(main())


def test_the_agent_subscribes_to_nothing_by_itself():
    async def check(on):
        assert on.livekit.options.auto_subscribe is False

    in_room(check)


def test_the_first_persons_voice_is_heard_and_no_video():
    async def check(on):
        person = MemoryParticipant("person")
        on.livekit.enter(person, video=camera(), audio=voice())
        assert person.heard == ["audio"]

    in_room(check)


def test_avatars_agents_and_programs_are_not_heard():
    async def check(on):
        others = [
            MemoryParticipant("avatar"),
            MemoryParticipant("liveavatar-agent-1"),
            MemoryParticipant("worker", kind="AGENT"),
            MemoryParticipant("recorder", kind="EGRESS"),
        ]
        for other in others:
            on.livekit.enter(other, audio=voice())
        assert not any(other.heard for other in others)
        assert on.room.person is None

    in_room(check)


def test_people_who_were_there_before_are_heard_in_the_order_they_came():
    async def main():
        on = RoomFixture()
        second = MemoryParticipant("a", order=9)
        first = MemoryParticipant("b", order=1, kind="SIP")
        on.livekit.enter(second, audio=voice())
        on.livekit.enter(first, audio=voice())
        await on.join()
        assert first.heard == ["audio"]
        assert not second.heard
        await on.room.leave()

    virtual.run(main())


def test_a_second_person_is_heard_when_the_first_has_left():
    async def check(on):
        first, second = MemoryParticipant("first"), MemoryParticipant("second")
        on.livekit.enter(first)  # without a microphone: it waits for one
        on.livekit.enter(second, audio=voice())
        assert not second.heard
        on.livekit.publish(first, "audio", voice())
        assert first.heard == ["audio"]
        on.livekit.exit(first)
        assert second.heard == ["audio"]

    in_room(check)


def test_a_person_who_comes_back_is_behind_those_who_stayed():
    async def check(on):
        first, second = MemoryParticipant("first"), MemoryParticipant("second")
        on.livekit.enter(first, audio=voice())
        on.livekit.enter(second, audio=voice())
        on.livekit.exit(first)
        on.livekit.enter(first, audio=voice())
        assert on.room.person == "second"

    in_room(check)


def test_a_microphone_that_is_published_again_is_heard_again():
    async def check(on):
        person = MemoryParticipant("person")
        on.livekit.enter(person, one=voice())
        on.livekit.unpublish(person, "one")
        assert person.heard == []
        on.livekit.publish(person, "two", voice())
        assert person.heard == ["two"]

    in_room(check)


def test_the_microphone_goes_before_other_audio():
    async def check(on):
        person = MemoryParticipant("person")
        screen = voice(rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO)
        on.livekit.enter(person, screen=screen)
        screen.subscribed = True
        on.livekit.publish(person, "microphone", voice())
        assert person.heard == ["microphone"]

    in_room(check)


def test_a_room_that_is_lost_ends_hearing_with_the_reason():
    async def main():
        on = RoomFixture()
        await on.join()
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(on.room.run())
            await asyncio.sleep(1)
            on.livekit.emit("disconnected", rtc.DisconnectReason.ROOM_DELETED)
        assert hearing.result() == "ROOM_DELETED"
        await on.room.leave()

    virtual.run(main())


def test_a_room_that_cannot_be_joined_says_why_without_the_token():
    async def main():
        on = RoomFixture()
        on.livekit.fails = rtc.ConnectError("client error: 401 token")
        with pytest.raises(NotJoined, match="refused the token"):
            await on.join()

    virtual.run(main())
