"""Tests that a client is told once how each of its turns ended, heard or not."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.sessions.lite_input import MAX_TURNS
from protocol.lite.messages import EndReason
from tests.fakes import MemoryTransport, tone
from tests.sessions.fixtures import CALM, running_session, speak_a_turn
from tests.virtual import run

OVER = ("agent.speak_ended", "agent.speak_interrupted")
PIECE = tone(0.06)


def over(events: list[dict]) -> list[tuple[str, str]]:
    """Return type and id of each event that tells how a turn ended."""
    return [(e["type"], e["event_id"]) for e in events if e["type"] in OVER]


def test_a_turn_that_is_cut_before_it_is_heard_is_over_once():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(1.0), event_id="u1")
            wire.client_sends(type="agent.speak_end")
            wire.client_sends(type="agent.interrupt")
            await asyncio.sleep(1)
            return wire.sent

    sent = run(main())
    assert over(sent) == [("agent.speak_interrupted", "u1")]
    assert [e["played_ms"] for e in sent if e["type"] == OVER[1]] == [0]


def test_queued_turns_are_over_one_by_one_after_an_interrupt():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            for name in ("u1", "u2", "u3"):
                wire.speak(tone(1.0), event_id=name)
                wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(0.5)
            wire.client_sends(type="agent.interrupt")
            await asyncio.sleep(0.5)
            return wire.sent

    sent = run(main())
    assert over(sent) == [(OVER[1], "u1"), (OVER[1], "u2"), (OVER[1], "u3")]
    played_ms = [e["played_ms"] for e in sent if e["type"] == OVER[1]]
    assert 400 < played_ms[0] <= 500
    assert played_ms[1:] == [0, 0]


@pytest.mark.parametrize("audio", [b"", b"\x01"], ids=["empty", "half a sample"])
def test_a_turn_without_a_sample_is_over_in_its_order(audio):
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(0.3), event_id="u1")
            wire.client_sends(type="agent.speak_end")
            wire.speak(audio, event_id="u2")
            wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(1)
            return wire.sent

    assert over(run(main())) == [(OVER[0], "u1"), (OVER[0], "u2")]


def test_late_audio_of_a_cut_turn_is_not_spoken():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(2.0), event_id="old")
            await asyncio.sleep(0.6)
            wire.client_sends(type="agent.interrupt")
            await asyncio.sleep(0.1)
            before = len(t.room.speech)
            wire.speak(tone(0.6), event_id="old")
            wire.speak(tone(0.4, 440), event_id="new")
            wire.client_sends(type="agent.speak_end", event_id="new")
            await asyncio.sleep(1)
            return wire, t.room.speech[before:]

    wire, speech = run(main())
    assert speech == tone(0.4, 440)
    assert over(wire.sent) == [(OVER[1], "old"), (OVER[0], "new")]
    assert wire.types().count("warning") == 1


STEPS = st.lists(
    st.sampled_from(
        ["speak", "empty", "end", "interrupt", "wait", "wait long", "lose", "connect"]
    ),
    max_size=14,
)


async def converse(script: list[str]) -> tuple[list[str], list[dict]]:
    """Play a script and return the ids of its turns and all events, in order."""
    begun: list[str] = []
    async with running_session(fps=CALM, missing_end_s=1.0) as t:
        wires = [t.connect()]
        is_open = False
        for step in script:
            wire = wires[-1]
            match step:
                case "speak" | "empty":
                    if not is_open:
                        begun.append(f"u{len(begun)}")
                        is_open = True
                    wire.speak(PIECE if step == "speak" else b"", event_id=begun[-1])
                case "end":
                    wire.client_sends(type="agent.speak_end")
                    is_open = False
                case "interrupt":
                    wire.client_sends(type="agent.interrupt")
                    is_open = False
                case "wait":
                    await asyncio.sleep(0.1)
                case "wait long":  # longer than missing_end_s: it ends an open turn
                    await asyncio.sleep(2.5)
                    is_open = False
                case "lose":
                    await asyncio.sleep(0.01)
                    wire.disconnect()
                    await asyncio.sleep(0.01)
                    wires.append(t.connect())
                case "connect":
                    await asyncio.sleep(0.01)
                    wires.append(t.connect())
                    await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        t.session.end(EndReason.USER_CLOSED, "bye")
        await asyncio.sleep(0.01)
        wires[-1].speak(PIECE, event_id="too late")
        wires[-1].client_sends(type="agent.speak_end")
        await asyncio.sleep(1)
    return begun, [event for wire in wires for event in wire.sent]


@settings(max_examples=60)
@given(STEPS)
def test_every_turn_is_over_once_and_in_order_whatever_the_client_does(script):
    begun, sent = run(converse(script), debug=False)
    assert [name for _, name in over(sent)] == begun
    assert [event["type"] for event in sent][-3:] == [
        "session.state_updated",
        "session.stopped",
        "session.state_updated",
    ]


def test_turns_without_number_delay_neither_a_neighbour_nor_the_stop():
    async def main():
        async with running_session() as t, running_session() as neighbour:
            wire, other = t.connect(), neighbour.connect()
            for number in range(4_000):
                wire.speak(b"\1\2", event_id=str(number))
                wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(0)
            speak_a_turn(other)
            await asyncio.sleep(3)
            refused = t.metrics.registry.get_sample_value(
                "lite_ws_refused_total", {"reason": "TooMuchAudio"}
            )
            t.session.end(EndReason.USER_CLOSED, "bye")
            await asyncio.sleep(0.5)
            return wire, other, refused

    wire, other, refused = run(main(), debug=False)
    assert refused > 0
    assert f"{MAX_TURNS} turns are waiting" in wire.errors()[0]
    assert over(other.sent) == [(OVER[0], "after")]
    ends = [name for _, name in over(wire.sent)]
    assert len(ends) == len(set(ends)) == 4_000 - refused


def test_as_many_turns_as_may_wait_are_told_over_in_one_piece():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            for number in range(MAX_TURNS + 1):
                wire.speak(tone(0.5), event_id=str(number))
                wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(0.2)
            wire.client_sends(type="agent.interrupt")
            await asyncio.sleep(0.2)
            return wire

    wire: MemoryTransport = run(main(), debug=False)
    assert wire.closed is not None
    assert wire.closed[0] == 1000
    assert len(wire.errors()) == 1
    assert len(over(wire.sent)) == MAX_TURNS
