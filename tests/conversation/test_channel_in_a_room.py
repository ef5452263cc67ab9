"""Data channel in a real room: a client's commands in, events out to everybody."""

import asyncio
import gc
import json

import pytest
from livekit import api, rtc

from protocol.link.messages import Happened
from protocol.lite.messages import EndReason
from tests.conversation.channel_room import AGENT, SpeakingGateway, avatar_in, joined
from tests.waiting import PATIENCE_S, until_async

pytestmark = pytest.mark.livekit


def test_a_client_speaks_interrupts_and_is_told_so_with_everybody_else(livekit):
    async def main():
        gateway = SpeakingGateway(push_to_talk=False)
        async with (
            avatar_in(livekit, "channel-speak", gateway),
            joined(livekit, "user", "channel-speak") as user,
            joined(livekit, "back-end", "channel-speak") as other,
        ):
            await user.send("avatar.speak_text", event_id="u1", text="Schöne Grüße.")
            spoken = [await other.event() for _ in range(2)]
            await other.send("avatar.interrupt")
            heard = [await user.event() for _ in range(3)]
            return heard, [*spoken, await other.event()]

    heard, by_other = asyncio.run(main())
    assert len({event["event_id"] for event in heard}) == 3
    assert heard == by_other
    assert {event["session_id"] for event in heard} == {"s1"}
    assert {event["source_event_id"] for event in heard} == {"u1"}
    assert [event["event_type"] for event in heard] == [
        "avatar.transcription",
        "avatar.speak_started",
        "avatar.speak_ended",
    ]
    assert heard[0]["text"] == "Schöne Grüße."


def test_commands_of_back_ends_are_taken_and_those_of_our_agent_are_not(livekit):
    async def main():
        gateway = SpeakingGateway(push_to_talk=False)
        name = "channel-back-end"
        async with (
            avatar_in(livekit, name, gateway),
            joined(livekit, "user", name) as user,
            joined(livekit, AGENT, name) as agent,
        ):
            # LiveKit may report it later than its packets.
            await until_async(lambda: AGENT in gateway.room().remote_participants)
            await agent.send("avatar.speak_text", text="from the agent")
            await user.send("avatar.speak_text", text="from a user")
            first = await user.event()
            async with api.LiveKitAPI(
                livekit.url, livekit.key, livekit.secret
            ) as server:
                await server.room.send_data(
                    api.SendDataRequest(
                        room=name,
                        data=b'{"event_type": "avatar.speak_text", "text": "by API"}',
                        kind=0,  # reliable
                        topic="agent-control",
                    )
                )
            while (last := await user.event()).get("text") in (None, first["text"]):
                pass
            return first["text"], last["text"]

    assert asyncio.run(main()) == ("from a user", "by API")


def test_bad_packets_are_answered_and_the_next_command_is_taken(livekit):
    async def main():
        gateway = SpeakingGateway(push_to_talk=False)
        async with (
            avatar_in(livekit, "channel-bad", gateway),
            joined(livekit, "user", "channel-bad") as user,
        ):
            for data in (b"{oops", b"\xff\x00", b"x" * 60_000):
                await user.send_bytes(data)
            await user.send("avatar.speak_text", text="é" * 7501, event_id="long")
            await user.send("session.update", event_id="u5")
            errors = [await user.event() for _ in range(5)]
            await user.send("avatar.speak_text", text="é" * 7000)
            return errors, await user.event()

    errors, event = asyncio.run(main())
    assert {(e["event_type"], e["code"]) for e in errors} == {
        ("error", "invalid_request")
    }
    assert [e["source_event_id"] for e in errors] == [None, None, None, "long", "u5"]
    assert "15002 bytes" in errors[3]["message"]
    assert event["event_type"] == "avatar.transcription"
    assert event["text"].rstrip("…") in "é" * 7000


def test_push_to_talk_is_answered_each_time(livekit):
    async def main():
        gateway = SpeakingGateway(push_to_talk=True)
        name = "channel-push"
        async with (
            avatar_in(livekit, name, gateway),
            joined(livekit, "user", name) as user,
        ):
            for command in ("stop", "start", "start", "stop"):
                await user.send(f"user.{command}_push_to_talk")
            return await user.kinds(5)

    assert asyncio.run(main()) == [
        "user.push_to_talk_stopped",
        "user.push_to_talk_started",
        "user.push_to_talk_started",
        "user.push_to_talk_stopped",
        "user.transcription",
    ]


def test_the_reason_of_the_end_arrives_before_the_avatar_leaves(livekit):
    async def main():
        gateway, order = SpeakingGateway(push_to_talk=False), []
        name = "channel-stop"
        async with joined(livekit, "user", name) as user:
            left = asyncio.Event()

            def on_left(participant: rtc.RemoteParticipant) -> None:
                order.append("left")
                left.set()

            def on_data(packet: rtc.DataPacket) -> None:
                order.append(json.loads(packet.data)["event_type"])

            user.room.on("participant_disconnected", on_left)
            user.room.on("data_received", on_data)
            async with avatar_in(livekit, name, gateway):
                await user.send("avatar.speak_text", text="Hello")
                await user.send("session.stop", event_id="bye")
                await asyncio.wait_for(gateway.stopped.wait(), PATIENCE_S)
                gateway.end(EndReason.USER_CLOSED, "a client stopped the session")
            await asyncio.wait_for(left.wait(), PATIENCE_S)
            events = [await user.event() for _ in range(4)]
            return order, events[-1]

    order, stopped = asyncio.run(main())
    assert order == [
        "avatar.transcription",
        "avatar.speak_started",
        "avatar.speak_ended",
        "session.stopped",
        "left",
    ]
    assert stopped["source_event_id"] == "bye"
    assert stopped["end_reason"] == stopped["stop_reason"] == "USER_CLOSED"
    assert stopped["message"] == "a client stopped the session"


def test_many_events_arrive_in_order(livekit):
    async def main():
        gateway = SpeakingGateway(push_to_talk=False)
        name = "channel-many"
        async with (
            avatar_in(livekit, name, gateway),
            joined(livekit, "user", name) as user,
        ):
            await user.send("avatar.speak_response", text="Count.")  # it is there
            await user.event()
            for number in range(300):
                chunk = Happened(1, "avatar.transcription.chunk", f" {number}", turn=9)
                gateway._perform(gateway.machine.happened(chunk))
            texts = []
            while len(texts) < 300:
                event = await user.event()
                if event["event_type"] == "avatar.transcription.chunk":
                    texts.append(event["text"])
            return "".join(texts)

    assert asyncio.run(main()) == "".join(f" {number}" for number in range(300))


def test_a_room_with_a_channel_is_freed_when_it_was_left(livekit):
    async def main():
        gateway = SpeakingGateway(push_to_talk=False)
        async with avatar_in(livekit, "channel-memory", gateway):
            gateway.end(EndReason.USER_CLOSED, "bye")
        return gateway

    gc.collect()
    gc.disable()
    try:
        gateway = asyncio.run(main())
        assert gateway.room() is None
    finally:
        gc.enable()
