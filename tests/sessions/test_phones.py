"""Phones that a client sends beside its audio: the driver gets them in time or not."""

import asyncio

import pytest

from protocol.lite.messages import MAX_MESSAGE_PHONES
from renderer.frames import Phone
from tests.fakes import tone
from tests.sessions.fixtures import ended_turn, running_session, speak_a_turn
from tests.virtual import run


def phones_of(t, turn=1):
    """Return the phones that the renderer got with the frames of a turn."""
    return [
        (request.phones, sum(len(r.pcm) // 2 for _, r in t.renderer.requests[:k]))
        for k, (_, request) in enumerate(t.renderer.requests)
        if request.turn == turn and request.phones
    ]


def warnings(wire):
    return [e["warning"] for e in wire.sent if e["type"] == "warning"]


def test_the_driver_gets_each_phone_once_and_before_its_time():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            for second in range(4):
                phones = [
                    ["a", second + k / 10, second + (k + 1) / 10] for k in range(10)
                ]
                wire.speak(tone(1.0), event_id="u1", phones=phones)
            wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(5)
            return t, wire

    t, wire = run(main())
    given = phones_of(t)
    times_s = [phone.start_s for phones, _ in given for phone in phones]
    assert times_s == pytest.approx([k / 10 for k in range(40)])
    assert {phone.phoneme for phones, _ in given for phone in phones} == {"AA"}
    for phones, consumed in given:
        assert all(phone.end_s > consumed / 24_000 for phone in phones)
    assert wire.errors() == []
    assert warnings(wire) == []
    assert ended_turn(wire, "u1")


def test_phones_that_come_late_are_dropped_counted_and_told_once():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(3.0), event_id="u1")
            await asyncio.sleep(1)
            wire.speak(b"", phones=[["p", 0.1, 0.2], ["a", 0.2, 0.3], ["m", 2.0, 2.1]])
            wire.speak(b"", phones=[["a", 2.1, 2.2]])
            await asyncio.sleep(1.5)
            wire.speak(b"", phones=[["p", 2.2, 2.3]])
            wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(2)
            return t, wire

    t, wire = run(main())
    [late] = warnings(wire)
    assert late["type"] == "late_phones"
    assert late["message"].startswith("2 phones of the turn")
    assert t.metrics.registry.get_sample_value("lite_phones_late_total") == 3
    assert [p for phones, _ in phones_of(t) for p in phones] == [
        Phone("M", 2.0, 2.1),
        Phone("AA", 2.1, 2.2),
    ]
    assert t.room.speech == tone(3.0)
    assert ended_turn(wire, "u1")


BAD = [
    "hello",
    5,
    [["p", 0.1]],
    [["QQ", 0.1, 0.2]],
    [["p", 0.3, 0.2]],
    [["p", -1, 0.2]],
    {"alphabet": "braille", "phones": []},
    [["p", k / 10, (k + 1) / 10] for k in range(MAX_MESSAGE_PHONES + 1)],
]


@pytest.mark.parametrize("phones", BAD, ids=lambda phones: str(phones)[:30])
def test_with_bad_phones_all_audio_is_played(phones):
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(0.5), event_id="u1", phones=phones)
            wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(1)
            return t, wire

    t, wire = run(main())
    [error] = [e["error"] for e in wire.sent if e["type"] == "error"]
    assert error["type"] == "invalid_request_error"
    assert error["event_id"] == "u1"
    assert error["message"].endswith("the message was taken without its phones")
    assert phones_of(t) == []
    assert t.room.speech == tone(0.5)
    assert ended_turn(wire, "u1")


def test_phones_that_wait_are_bounded_and_their_audio_is_not_lost():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(1.0), event_id="first")
            wire.client_sends(type="agent.speak_end")
            for message in range(45):
                start_s = message * 5.0
                phones = [
                    ["a", start_s + k / 100, start_s + (k + 1) / 100]
                    for k in range(MAX_MESSAGE_PHONES)
                ]
                wire.speak(tone(0.001), event_id=f"m{message}", phones=phones)
            await asyncio.sleep(0.5)
            errors = wire.errors()
            wire.client_sends(type="agent.interrupt")
            speak_a_turn(wire)
            await asyncio.sleep(1)
            return errors, wire

    errors, wire = run(main())
    assert len(errors) == 5
    assert all("20000 phones are waiting" in error for error in errors)
    acks = [e for e in wire.sent if e["type"] == "agent.audio_buffer_appended"]
    assert len(acks) >= 46
    assert ended_turn(wire)


def test_phones_of_a_turn_that_was_cut_reach_no_later_turn():
    async def main():
        async with running_session() as t:
            wire = t.connect()
            wire.speak(tone(2.0), phones=[["a", 0.0, 0.5], ["p", 1.9, 2.0]])
            await asyncio.sleep(0.3)
            wire.client_sends(type="agent.interrupt")
            wire.speak(tone(0.5), phones=[["u", 0.0, 0.5]])
            wire.client_sends(type="agent.speak_end")
            await asyncio.sleep(1)
            return t, wire

    t, wire = run(main())
    assert [p for phones, _ in phones_of(t, 2) for p in phones] == [Phone("UW", 0, 0.5)]
    assert wire.errors() == []
