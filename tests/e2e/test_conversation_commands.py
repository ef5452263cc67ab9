"""Commands and people that a conversation does not expect, in a real room."""

import asyncio
import json
import time

import pytest
from livekit import api

from lite_gateway.conversation.data_channel import ERRORS_PER_S, MAX_ERRORS
from protocol.full.messages import MAX_TEXT_BYTES
from tests.e2e.talking import (
    Person,
    context,
    realtime,
    running_session,
    talking_gateway,
)
from tests.openai_counterpart import voice
from tests.waiting import until, until_async

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")
pytestmark = [pytest.mark.livekit, pytest.mark.process]


@pytest.fixture(scope="module")
def talking(livekit, counterpart_process, tmp_path_factory):
    log_path = tmp_path_factory.mktemp("commands") / "log"
    with talking_gateway(livekit, log_path, counterpart_process) as running:
        yield running


def converse(gateway, check, **fields) -> Person:
    """Run ``check`` in the room of a conversation, by Realtime without fields."""

    async def main(session: dict) -> Person:
        async with Person().visiting(session) as person:
            await check(person)
        return person

    with running_session(gateway, **(fields or realtime(gateway))) as session:
        return asyncio.run(main(session))


BAD = {
    "no JSON": b"\x00{",
    "no object": b'["avatar.interrupt"]',
    "no type": b'{"event_id": "e"}',
    "unknown": b'{"event_type": "avatar.dance", "event_id": "e"}',
    "not offered": b'{"event_type": "session.update", "event_id": "e"}',
    "no text": b'{"event_type": "avatar.speak_text", "event_id": "e"}',
    "empty text": b'{"event_type": "avatar.speak_response", "text": " \\n"}',
    "text of another kind": b'{"event_type": "avatar.speak_text", "text": 5}',
    "strange id": b'{"event_type": "avatar.interrupt", "event_id": {}}',
}


def test_bad_commands_are_answered_and_the_speech_goes_on(talking, counterpart):
    counterpart.script(responses={"seconds": 6})

    async def check(person: Person) -> None:
        await person.send("avatar.speak_response", text="Count.", event_id="count")
        await person.event("avatar.speak_started")
        for packet in BAD.values():
            await person.send_packet(packet)
        await person.event("error", len(BAD))
        assert "avatar.speak_ended" not in person.kinds
        await person.event("avatar.speak_ended")
        await person.event("avatar.transcription")

    person = converse(talking, check)
    errors = person.all("error")
    assert {error["code"] for error in errors} == {"invalid_request"}
    assert len(errors) == len(BAD)
    told = [error["source_event_id"] for error in errors]
    assert told == ["e" if b'"e"' in packet else None for packet in BAD.values()]
    (said,) = person.all("avatar.transcription")
    assert said["text"] == voice.counting(6)  # all was heard


def test_a_text_that_is_too_long_is_refused_with_the_limit(talking, counterpart):
    """LiveKit delivers no longer packet from most clients; this one is compact."""

    async def check(person: Person) -> None:
        too_long = "é" * (MAX_TEXT_BYTES // 2) + "x"
        await person.send("avatar.speak_text", text="x" * 40_000, event_id="huge")
        await person.send_packet(
            json.dumps(
                {"event_type": "avatar.speak_text", "text": too_long, "event_id": "e"},
                ensure_ascii=False,
            )
        )
        await person.send("avatar.speak_text", text="Still here.")
        await person.event("avatar.speak_ended")

    person = converse(talking, check)
    errors = person.all("error")
    assert errors
    assert {error["code"] for error in errors} == {"invalid_request"}
    assert all(str(MAX_TEXT_BYTES) in error["message"] for error in errors)


def test_a_flood_is_counted_and_answered_a_few_times_a_second(talking, counterpart):
    flood = 400
    name = 'lite_channel_refused_total{reason="BadMessage"}'
    before = talking.metrics()[name]

    async def check(person: Person) -> None:
        began_s = time.monotonic()
        for _ in range(flood):
            await person.send_packet(b"no command")
        counted = lambda: talking.metrics()[name] - before >= flood  # noqa: E731
        await asyncio.to_thread(until, counted)
        took_s = time.monotonic() - began_s
        await person.send("avatar.speak_text", text="Still here.")
        await person.event("avatar.speak_ended")
        answered = len(person.all("error"))
        assert MAX_ERRORS <= answered <= MAX_ERRORS + ERRORS_PER_S * (took_s + 1)
        assert answered < flood

    converse(talking, check)
    assert talking.metrics()[name] - before == flood


def test_the_frameworks_own_ways_into_a_session_are_shut(talking, counterpart):
    """By default a program in the room may ask for instructions and history."""
    answers: list[str] = []

    async def check(person: Person) -> None:
        local = person.room.local_participant
        for topic in ("lk.agent.session", "lk.agent.response", "lk.transcription"):
            for register in (
                person.room.register_byte_stream_handler,
                person.room.register_text_stream_handler,
            ):
                register(topic, lambda *_, topic=topic: answers.append(topic))
        await local.send_text("Who are you?", topic="lk.chat")
        stream = await local.stream_bytes("ask", topic="lk.agent.session")
        await stream.write(b"\n\x05hello")
        await stream.aclose()
        await person.send("avatar.speak_text", text="Still here.")
        await person.event("avatar.speak_ended")

    person = converse(talking, check)
    assert answers == []
    assert person.texts("user.transcription") == []
    assert len(person.all("avatar.transcription")) == 1


def test_push_to_talk_is_answered_each_time(talking, counterpart):
    async def check(person: Person) -> None:
        started, stopped = "user.push_to_talk_started", "user.push_to_talk_stopped"
        commands = [
            ("user.stop_push_to_talk", stopped),
            ("user.start_push_to_talk", started),
            ("user.start_push_to_talk", started),
            ("user.stop_push_to_talk", stopped),
            ("user.stop_push_to_talk", stopped),
            ("user.start_push_to_talk", started),
        ]
        for number, (command, kind) in enumerate(commands):
            await person.send(command, event_id=str(number))
            assert (await person.answer(str(number)))["event_type"] == kind
        await person.send("avatar.speak_text", text="Still here.")
        await person.event("avatar.speak_ended")
        assert "error" not in person.kinds

    persona = {"context_id": context(talking)}
    full = {"mode": "FULL", "avatar_persona": persona}
    converse(talking, check, interactivity_type="PUSH_TO_TALK", **full)


def test_push_to_talk_outside_its_mode_fails_to_start_and_stops(talking, counterpart):
    async def check(person: Person) -> None:
        await person.send("user.start_push_to_talk", event_id="1")
        answer = await person.answer("1")
        assert answer["event_type"] == "user.push_to_talk_start_failed"
        await person.send("user.stop_push_to_talk", event_id="2")
        answer = await person.answer("2")
        assert answer["event_type"] == "user.push_to_talk_stopped"

    converse(talking, check)


def test_without_a_microphone_and_muted_it_waits(talking, counterpart):
    async def check(person: Person) -> None:
        await person.send("avatar.speak_text", text="Are you there?")
        await person.event("avatar.speak_ended")
        assert person.all("user.speak_started") == []
        await person.publish()
        person.microphone.mute()
        await person.say("Nobody hears this at all.")
        assert person.all("user.speak_started") == []
        person.microphone.unmute()
        await until_async(lambda: not person.microphone.muted)
        await person.say("What do you hear?")
        said = await person.event("user.transcription")
        assert said["text"] == "Hello there."
        await person.event("avatar.speak_ended", 2)
        assert len(person.all("user.speak_started")) == 1
        assert "error" not in person.kinds

    converse(talking, check)


def test_a_second_person_commands_and_is_heard_when_the_first_has_left(
    talking, livekit, counterpart
):
    async def main(session: dict) -> None:
        second = Person()
        token = room_token(livekit, session["session_id"])
        async with (
            Person().visiting(session, microphone=True) as first,
            second.visiting(session, token=token, microphone=True),
        ):
            await first.say("One is here.")
            await second.event("avatar.speak_ended")
            assert len(second.all("user.transcription")) == 1
            await second.say("Two is not heard at all.")
            await second.send("avatar.speak_text", text="Yes?", event_id="two")
            ended = await second.event("avatar.speak_ended", 2)
            assert ended["source_event_id"] == "two"
            assert len(second.all("user.speak_started")) == 1
            await first.room.disconnect()
            await until_async(lambda: not people(second))
            await second.say("Now two is heard.")
            await second.event("user.transcription", 2)
            await second.event("avatar.speak_ended", 3)

    with running_session(talking, **realtime(talking)) as session:
        asyncio.run(main(session))


def people(person: Person) -> list[str]:
    """Return those in the room who are neither the avatar nor its agent."""
    own = ("heygen", "liveavatar-agent-")
    names = person.room.remote_participants
    return [name for name in names if not name.startswith(own)]


def room_token(livekit, room: str) -> str:
    return (
        api.AccessToken(livekit.key, livekit.secret)
        .with_identity("second")
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .to_jwt()
    )
