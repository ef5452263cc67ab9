"""Gaps in a turn: late audio and a late server, in virtual time."""

import asyncio

import pytest

from lite_gateway.playout.gaps import REPORTED_S, Gaps
from tests.fakes import tone
from tests.playout.fixtures import running_playout
from tests.virtual import VirtualLoop, run


def gap_s(fixture, cause: str) -> float:
    return fixture.metric("lite_turn_gaps_seconds_sum", cause=cause)


def test_a_turn_whose_audio_came_late_is_reported_and_measured():
    async def main():
        async with running_playout() as s:
            s.playout.append(1, tone(0.5))
            await asyncio.sleep(0.8)
            s.playout.append(1, tone(0.5))
            await asyncio.sleep(0.9)
            s.playout.append(1, tone(0.2))
            s.playout.seal(1)
            await asyncio.sleep(1)
            return s

    s = run(main())
    assert s.listener.kinds[-2:] == [("gaps", 1), ("finished", 1)]
    assert gap_s(s, "audio") == pytest.approx(0.3 + 0.4, abs=0.1)
    assert gap_s(s, "server") == 0


def test_a_busy_server_is_told_apart_from_late_audio():
    async def main():
        async with running_playout() as s:
            s.playout.append(1, tone(1.0))
            s.playout.seal(1)
            await asyncio.sleep(0.3)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            loop.block(0.4)
            await asyncio.sleep(1.5)
            return s

    s = run(main())
    assert ("gaps", 1) in s.listener.kinds
    assert gap_s(s, "server") == pytest.approx(0.4 - 0.08, abs=0.021)
    assert gap_s(s, "audio") == 0


def test_a_turn_that_arrives_at_the_pace_of_speech_has_no_gaps():
    async def main():
        async with running_playout() as s:
            await s.send_paced(1, tone(3.0))
            s.playout.seal(1)
            await asyncio.sleep(1)
            return s

    s = run(main())
    assert s.listener.kinds == [("started", 1), ("finished", 1)]
    assert gap_s(s, "audio") + gap_s(s, "server") < REPORTED_S


def test_a_turn_that_is_cut_after_a_gap_is_measured():
    async def main():
        async with running_playout() as s:
            s.playout.append(1, tone(0.5))
            await asyncio.sleep(0.8)
            s.playout.append(1, tone(0.5))
            await asyncio.sleep(0.2)
            s.playout.flush(1)
            return s

    assert gap_s(run(main()), "audio") == pytest.approx(0.3, abs=0.05)


def test_gaps_are_counted_one_by_one():
    gaps = Gaps()
    for now_s in (1.0, 1.02, 1.5, 1.52, 1.53, 2.0):
        gaps.submit(now_s, 0.02, after_underrun=now_s == 1.5)
    assert gaps.count == 2
    assert gaps.audio_late_s == pytest.approx(0.46)
    assert gaps.server_late_s == pytest.approx(0.44)
