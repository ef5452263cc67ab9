"""Pose and emotion of the face, from the wire to the frame requests."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.playout.turn_audio import TurnAudio
from protocol.lite.messages import EMOTIONS, SAMPLE_RATE
from tests.sessions.fixtures import ended_turn, running_session, speak_a_turn, tone
from tests.virtual import run

pieces = st.lists(
    st.tuples(st.integers(1, 999), st.sampled_from([None, *EMOTIONS])), max_size=20
)


@given(pieces, st.lists(st.integers(0, 10_000), max_size=20))
def test_each_sample_has_the_emotion_that_was_named_last_before_it(said, asked):
    turn, expected = TurnAudio(1, 0.0), []
    feeling = "neutral"
    for samples, emotion in said:
        turn.append(bytes(2 * samples), 0.0, emotion)
        feeling = emotion or feeling
        expected += [feeling] * samples
    for sample in sorted(asked):
        if sample < len(expected):
            assert turn.emotion_at(sample) == expected[sample]


def test_an_emotion_is_seen_while_its_words_are_heard_and_then_no_more():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(0.4), emotion="happy")
            wire.speak(tone(0.4), emotion="sad")
            wire.speak(tone(0.4))
            wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(2)
            return [request for _, request in t.renderer.requests]

    requests = run(main())
    spoken = [request.emotion for request in requests if request.turn]
    assert spoken == ["happy"] * 10 + ["sad"] * 20
    last = max(i for i, request in enumerate(requests) if request.turn)
    assert {request.emotion for request in requests[last + 2 :]} == {"neutral"}


def test_a_turn_that_runs_dry_keeps_its_face():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(0.4), emotion="concerned")
            await asyncio.sleep(1.5)
            return t.renderer.requests[-1][1]

    request = run(main())
    assert request.turn == 0
    assert request.emotion == "concerned"


def test_a_listener_shows_what_it_was_asked_to_then_thinks_then_talks():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.client_sends(type="agent.start_listening", emotion="concerned")
            await asyncio.sleep(0.5)
            wire.client_sends(type="agent.start_listening", emotion="happy")
            await asyncio.sleep(0.5)
            wire.client_sends(type="agent.stop_listening")
            await asyncio.sleep(0.5)
            wire.speak(tone(0.4))
            wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(1.5)
            states = [e for e in wire.sent if e["type"] == "agent.state_updated"]
            return [request for _, request in t.renderer.requests], states

    requests, states = run(main())
    seen = [(request.pose, request.emotion) for request in requests]
    shown = [look for i, look in enumerate(seen) if i == 0 or look != seen[i - 1]]
    assert shown == [
        *([("idle", "neutral")] if shown[0][0] == "idle" else []),
        ("listening", "concerned"),
        ("listening", "happy"),
        ("thinking", "happy"),
        ("talking", "neutral"),
        ("idle", "neutral"),
    ]
    # No client is told of a pose that the service does not have.
    told = [state["new_state"] for state in states]
    assert told == ["listening", "idle", "talking", "idle"]


@pytest.mark.parametrize("kind", ["agent.speak", "agent.start_listening"])
def test_an_unknown_emotion_costs_neither_speech_nor_pose(kind):
    async def main():
        async with running_session() as t:
            wire = t.connect()
            if kind == "agent.speak":
                wire.speak(tone(0.4), event_id="after", emotion="smug")
                wire.client_sends(type="agent.speak_end")
            else:
                wire.client_sends(type=kind, event_id="after", emotion="smug")
                await asyncio.sleep(0.2)
                assert t.renderer.requests[-1][1].pose == "listening"
                speak_a_turn(wire)
            await asyncio.sleep(1)
            return wire

    wire = run(main())
    [error] = [event["error"] for event in wire.sent if event["type"] == "error"]
    assert error["type"] == "invalid_request_error"
    assert error["event_id"] == "after"
    assert all(name in error["message"] for name in ("smug", *EMOTIONS))
    assert ended_turn(wire)


def test_positions_of_emotions_are_whole_samples():
    turn = TurnAudio(1, 0.0)
    turn.append(bytes(3), 0.0, "happy")
    turn.append(bytes(2 * SAMPLE_RATE), 0.0, "sad")
    assert [turn.emotion_at(sample) for sample in (0, 1)] == ["happy", "sad"]
