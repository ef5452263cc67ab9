import asyncio
import json
from pathlib import Path

import pytest

from lite_gateway.sessions.connection import MAX_UNSENT
from lite_gateway.sessions.lite_input import MAX_ERRORS
from lite_gateway.sessions.session import Limits
from protocol.lite.messages import MAX_PCM_BYTES, EndReason
from tests.fakes import MemoryTransport, tone
from tests.sessions.fixtures import CALM, ended_turn, running_session, speak_a_turn
from tests.virtual import run

VECTORS = Path(__file__).parent.parent / "vectors"
BAD = json.loads((VECTORS / "bad-input.json").read_text())


def test_a_turn_from_first_word_to_last():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(0.5), event_id="u1")
            wire.client_sends(type="agent.speak_end", event_id="u1")
            await asyncio.sleep(1)
            return wire.types(), t.room.speech

    kinds, speech = run(main())
    assert speech == tone(0.5)
    assert kinds == [
        "session.state_updated",
        "agent.audio_buffer_appended",
        "agent.audio_buffer_committed",
        "agent.idle_ended",
        "agent.state_updated",
        "agent.speak_started",
        "agent.speak_ended",
        "agent.state_updated",
        "agent.idle_started",
    ]


def test_interrupt_flushes_before_it_answers():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(3), event_id="u1")
            await asyncio.sleep(1)
            wire.client_sends(type="agent.interrupt")
            await asyncio.sleep(0.001)
            said = wire.types()[-4:]
            cut = next(e for e in wire.sent if e["type"] == "agent.speak_interrupted")
            return said, cut["played_ms"], t.room.cleared_s[-1]

    said, played_ms, cleared_s = run(main())
    assert said == [
        "agent.audio_buffer_cleared",
        "agent.speak_interrupted",
        "agent.state_updated",
        "agent.idle_started",
    ]
    assert cleared_s == pytest.approx(1.0, abs=0.002)
    assert 950 <= played_ms <= 1000


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["what"])
def test_bad_input_is_told_and_the_session_and_its_neighbour_live_on(case):
    async def main():
        async with running_session() as t, running_session() as neighbour:
            wire, other = t.connect(), neighbour.connect()
            wire.client_sends_raw(case["wire"])
            speak_a_turn(wire)
            speak_a_turn(other)
            await asyncio.sleep(1)
            return wire, other

    wire, other = run(main())
    [text] = wire.errors()
    assert case["error"] in text
    assert ended_turn(wire)
    assert ended_turn(other)
    assert other.errors() == []


def test_too_much_pcm_in_one_message_is_told_and_dropped():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(bytes(MAX_PCM_BYTES + 2), event_id="big")
            speak_a_turn(wire)
            await asyncio.sleep(1)
            return wire, t.room.speech

    wire, speech = run(main())
    [text] = wire.errors()
    assert "1048576" in text
    assert ended_turn(wire)
    assert speech == tone(0.2)


def test_an_odd_byte_is_carried_over():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            pcm = tone(0.3)
            wire.speak(pcm[:7001])
            wire.speak(pcm[7001:])
            wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(1)
            return pcm, t.room.speech, wire.errors()

    pcm, speech, errors = run(main())
    assert speech == pcm
    assert errors == []


def test_audio_before_anyone_is_told_connected_is_kept():
    async def main():
        async with running_session() as t:
            wire = MemoryTransport()
            speak_a_turn(wire)  # in the inbox before the socket is even served
            async with asyncio.TaskGroup() as group:
                group.create_task(t.speech.attach(wire))
                await asyncio.sleep(1)
                wire.disconnect()
            return wire, t.room.speech

    wire, speech = run(main())
    assert ended_turn(wire)
    assert speech == tone(0.2)


def test_empty_audio_is_warned_about():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(b"")
            await asyncio.sleep(0.1)
            return wire.sent[1:]

    [warning] = run(main())
    assert "empty audio" in warning["warning"]["message"]


def test_speak_end_and_interrupt_while_idle_have_no_effect_on_the_avatar():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.client_sends(type="agent.speak_end")
            wire.client_sends(type="agent.interrupt", event_id=None)
            await asyncio.sleep(0.1)
            return wire.types()[1:]

    assert run(main()) == [
        "agent.audio_buffer_committed",
        "warning",
        "agent.audio_buffer_cleared",
    ]


def test_a_second_socket_takes_over_and_the_first_is_told():
    async def main():
        async with running_session() as t:
            first = t.connect()
            first.speak(tone(1), event_id="after")
            await asyncio.sleep(0.3)
            second = t.connect()
            second.client_sends(type="agent.speak_end")
            await asyncio.sleep(1.5)
            return first, second

    first, second = run(main())
    assert first.closed[0] == 4001
    assert "another socket" in first.errors()[0]
    assert ended_turn(second)
    assert second.closed[0] == 1000


def test_a_client_that_vanished_finds_its_turn_and_what_it_missed():
    async def main():
        async with running_session() as t:
            first = t.connect()
            first.speak(tone(0.5), event_id="after")
            first.client_sends(type="agent.speak_end")
            await asyncio.sleep(0.1)
            first.disconnect()
            await asyncio.sleep(2)
            second = t.connect()
            await asyncio.sleep(0.1)
            return second, t.room.speech

    second, speech = run(main())
    assert speech == tone(0.5)
    assert second.types()[0] == "session.state_updated"
    assert ended_turn(second)


def test_a_flood_of_rubbish_gets_few_answers_and_hurts_nobody():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            for _ in range(5000):
                wire.client_sends_raw("{")
            speak_a_turn(wire)
            await asyncio.sleep(1)
            refused = t.metrics.registry.get_sample_value(
                "lite_ws_refused_total", {"reason": "BadMessage"}
            )
            return wire, refused

    wire, refused = run(main())
    assert refused == 5000
    assert len(wire.errors()) <= MAX_ERRORS + 5
    assert ended_turn(wire)


def test_a_client_that_never_reads_is_cut_off_and_may_come_back():
    async def main():
        async with running_session() as t:
            deaf = t.connect(reads=False)
            for _ in range(MAX_UNSENT + 10):
                deaf.client_sends(type="agent.interrupt")
            await asyncio.sleep(1)
            again = t.connect()
            speak_a_turn(again)
            await asyncio.sleep(1)
            return deaf, again

    deaf, again = run(main())
    assert deaf.closed[0] == 1008
    assert "unread" in deaf.closed[1]
    assert ended_turn(again)


def test_audio_without_end_is_refused_when_the_buffer_is_full():
    async def main():
        async with running_session(max_buffered_s=4.9) as t:
            wire = t.connect()
            for _ in range(10):
                wire.speak(tone(1.0))
            await asyncio.sleep(0.5)
            told = wire.errors()
            await asyncio.sleep(3)
            wire.speak(tone(1.0))
            wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(6)
            return told, wire.errors(), len(t.room.speech) / 48_000

    told, told_later, spoken_s = run(main())
    assert len(told) == 5
    assert "5 s of audio are waiting" in told[0]
    assert told_later == told
    assert spoken_s == pytest.approx(6.0, abs=0.01)


def test_a_quiet_session_ends_with_a_reason_before_its_socket_closes():
    async def main():
        async with running_session(fps=CALM) as t:
            wire = t.connect()
            await asyncio.sleep(299)
            assert t.end_info is None
            await asyncio.sleep(2)
            return wire, t.end_info

    wire, ending = run(main(), debug=False)
    assert ending.reason is EndReason.IDLE_TIMEOUT
    assert wire.types()[-3:] == [
        "session.state_updated",
        "session.stopped",
        "session.state_updated",
    ]
    assert wire.sent[-2]["end_reason"] == "IDLE_TIMEOUT"
    assert "keep_alive" in wire.sent[-2]["message"]
    assert wire.closed == (1000, wire.closed[1])
    assert "IDLE_TIMEOUT" in wire.closed[1]


def test_keep_alive_keeps_it():
    async def main():
        async with running_session(fps=CALM) as t:
            wire = t.connect()
            for _ in range(5):
                await asyncio.sleep(200)
                wire.client_sends(type="session.keep_alive")
            await asyncio.sleep(1)
            return t.end_info

    assert run(main(), debug=False) is None


def test_a_session_never_outlives_its_longest():
    async def main():
        async with running_session(Limits(max_duration_s=60.0)) as t:
            wire = t.connect()
            await asyncio.sleep(30)
            wire.speak(tone(20))
            await asyncio.sleep(29.5)
            wire.speak(tone(20))
            await asyncio.sleep(1.5)
            return wire, t.end_info

    wire, ending = run(main(), debug=False)
    assert ending.reason is EndReason.MAX_DURATION_REACHED
    assert "60 s are over" in wire.sent[-2]["message"]
    assert wire.types().count("agent.speak_started") == wire.types().count(
        "agent.speak_ended"
    ) + wire.types().count("agent.speak_interrupted")


def test_listening_asked_for_while_talking_is_the_pose_afterwards():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(0.5))
            wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(0.1)
            wire.client_sends(type="agent.start_listening")
            await asyncio.sleep(0.2)
            during = t.renderer.requests[-1][1]
            await asyncio.sleep(1)
            return during, t.renderer.requests[-1][1]

    during, after = run(main())
    assert during.pose == "talking"
    assert during.turn == 1
    assert after.pose == "listening"
    assert after.turn == 0


def test_a_missing_speak_end_ends_the_turn_and_the_next_speak_opens_one():
    async def main():
        async with running_session(missing_end_s=4.0) as t:
            wire = t.connect()
            wire.speak(tone(0.5), event_id="lost")
            await asyncio.sleep(5)
            speak_a_turn(wire)
            await asyncio.sleep(1)
            return wire

    wire = run(main())
    assert ended_turn(wire, "lost")
    assert ended_turn(wire)
    assert any(event["type"] == "warning" for event in wire.sent)


def test_a_session_that_fails_closes_its_socket_normally():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            await asyncio.sleep(0.1)

            async def broken(pcm: bytes) -> None:
                raise RuntimeError("no more sound")

            t.room.send_audio = broken
            await asyncio.sleep(0.5)
            return wire, t.end_info

    wire, ending = run(main())
    assert ending.reason is EndReason.SERVER_ERROR
    assert wire.closed[0] == 1000
    assert "no more sound" not in json.dumps(wire.sent)
