"""Room of a conversation: who is heard in it."""

import asyncio

import pytest

pytest.importorskip("livekit.agents", reason="needs lite-gateway[agent]")

from livekit import rtc

from conversation.agent.microphone import FRAME_MS, Microphone
from conversation.agent.room import NEXT_KEPT_S, ConversationRoom, NotJoined
from tests import virtual
from tests.conversation.linked import frame
from tests.conversation.rooms import (
    MemoryParticipant,
    MemoryRoom,
    MemoryTrack,
    camera,
    voice,
)

FRAME_S = FRAME_MS / 1000
KEPT = round(NEXT_KEPT_S / FRAME_S)


class RoomFixture:
    """Conversation in a room in memory."""

    def __init__(self) -> None:
        self.livekit = MemoryRoom()
        self.microphone = Microphone(listening=True)
        self.room = ConversationRoom(
            "avatar", self.microphone, room=self.livekit, listen=MemoryTrack.listen
        )
        self.heard: list[int] = []  # first samples of the frames

    async def join(self) -> None:
        await self.room.join("ws://localhost", "token")

    def person(self, identity: str) -> tuple[MemoryParticipant, MemoryTrack]:
        """Let a person enter, whose voice comes here if the agent wants it."""
        person, track = MemoryParticipant(identity), MemoryTrack()
        self.livekit.enter(person, audio=voice())
        if person.heard:
            self.livekit.deliver(person, "audio", track)
        return person, track

    async def hear(self) -> None:
        """Note what the microphone passes on."""
        async for each in self.microphone:
            self.heard.append(each.data[0])


async def speak(track: MemoryTrack, values: range) -> None:
    """Let a voice say one frame for each value, as fast as it is spoken."""
    for value in values:
        track.speak(frame(FRAME_S, value))
        await asyncio.sleep(FRAME_S)


def in_room(check):
    """Run ``check`` with an agent that has joined."""

    async def main():
        on = RoomFixture()
        await on.join()
        await check(on)
        await on.room.leave()

    virtual.run(main())


def while_hearing(check):
    """Run ``check`` with an agent that has joined and hears."""

    async def main():
        on = RoomFixture()
        await on.join()
        async with asyncio.TaskGroup() as group:
            group.create_task(on.hear())
            running = group.create_task(on.room.run())
            await check(on)
            on.microphone.end()
            await on.room.leave()
        assert running.result() == "CLIENT_INITIATED"

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
        assert on.room.person == "b"
        on.livekit.exit(first)
        assert on.room.person == "a"
        await on.room.leave()

    virtual.run(main())


def test_no_more_than_the_first_person_and_the_next_are_subscribed_to():
    async def check(on):
        people = [MemoryParticipant(name) for name in ("first", "second", "third")]
        on.livekit.enter(people[0])  # without a microphone: it waits for one
        for person in people[1:]:
            on.livekit.enter(person, audio=voice())
        assert [person.heard for person in people] == [[], ["audio"], []]
        on.livekit.publish(people[0], "audio", voice())
        assert [person.heard for person in people] == [["audio"], ["audio"], []]
        on.livekit.exit(people[0])
        assert [person.heard for person in people[1:]] == [["audio"], ["audio"]]

    in_room(check)


def test_the_next_person_is_not_heard_before_the_first_has_left():
    async def check(on):
        _, first_voice = on.person("first")
        _, second_voice = on.person("second")
        await speak(second_voice, range(1, 50))
        assert on.heard == []
        await speak(first_voice, range(50, 60))
        assert on.heard == list(range(50, 60))

    while_hearing(check)


def test_the_next_person_is_heard_at_once_when_the_first_has_left():
    async def check(on):
        first, first_voice = on.person("first")
        _, second_voice = on.person("second")
        await speak(second_voice, range(1, 100))
        on.livekit.exit(first)
        await speak(second_voice, range(100, 150))
        # And a moment from before, because it may be told late that the first has left.
        assert on.heard == list(range(101 - KEPT, 150))
        assert not first_voice.is_open

    while_hearing(check)


def test_what_the_next_person_said_long_before_they_were_muted_is_not_heard():
    async def check(on):
        first, _ = on.person("first")
        _, second_voice = on.person("second")
        await speak(second_voice, range(1, 20))
        await asyncio.sleep(60)  # muted: no frames come
        on.livekit.exit(first)
        await speak(second_voice, range(20, 30))
        assert on.heard == list(range(20, 30))

    while_hearing(check)


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
