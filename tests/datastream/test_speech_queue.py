"""Speech queue with a fake renderer and an in-memory room, in virtual time."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import pytest

from lite_gateway.datastream.speech_queue import SpeechQueue
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from tests.fakes import FakeRenderer, MemoryRoom, tone
from tests.virtual import run


@dataclass
class RecordingReporter:
    """Reports, with the time of each."""

    calls: list[tuple] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)

    def _note(self, *call) -> None:
        self.calls.append(call)
        self.at_s.append(asyncio.get_running_loop().time())

    def started(self, sender: str) -> None:
        self._note("started", sender)

    def finished(self, sender: str, samples: int, *, interrupted: bool) -> None:
        self._note("finished", sender, samples, interrupted)


@contextlib.asynccontextmanager
async def playing_queue(buffered_s: float = 600.0, missing_end_s: float = 10.0):
    """Yield a queue whose playout runs, its room, and the reports."""
    loop, room, reports = asyncio.get_running_loop(), MemoryRoom(), RecordingReporter()
    studio, metrics = FakeRenderer(), Metrics()
    playout = Playout(
        studio.render,
        room,
        metrics,
        now=loop.time,
        missing_end_s=missing_end_s,
        source="datastream",
    )
    queue = SpeechQueue(
        playout, reports, on_activity=lambda: None, max_buffered_s=buffered_s
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(playout.run(queue))
        await asyncio.sleep(0.5)
        yield queue, room, reports
        task.cancel()


def test_a_segment_is_reported_started_at_once_and_finished_when_heard():
    async def main():
        async with playing_queue() as (queue, room, reports):
            began_s = room.now
            turn = queue.open("agent")
            queue.receive(turn, tone(1.0))
            queue.close(turn)
            await asyncio.sleep(2)
            return reports.calls, [at - began_s for at in reports.at_s], room.speech

    calls, at_s, speech = run(main())
    assert calls == [("started", "agent"), ("finished", "agent", 24_000, False)]
    assert at_s[0] < 0.04
    assert at_s[1] == pytest.approx(1.006, abs=0.02)
    assert speech == tone(1.0)


def test_a_clear_is_reported_in_the_same_call_with_what_was_heard():
    async def main():
        async with playing_queue() as (queue, room, reports):
            first, second = queue.open("agent"), queue.open("agent")
            queue.receive(first, tone(2.0))
            queue.receive(second, tone(2.0))
            await asyncio.sleep(1.0)
            queue.clear()
            calls, cleared_s = list(reports.calls), room.cleared_s[-1] - room.now
            queue.receive(second, tone(1.0))
            queue.close(second)
            await asyncio.sleep(1.0)
            return calls, reports.calls[len(calls) :], cleared_s

    calls, later, cleared_s = run(main())
    [started, (_, _, heard, cut), second] = calls
    assert started == ("started", "agent")
    assert cut
    assert 23_000 < heard <= 24_000
    assert second == ("finished", "agent", 0, True)
    assert later == []
    assert cleared_s == 0


def test_a_clear_before_the_first_byte_cuts_the_segment():
    async def main():
        async with playing_queue() as (queue, room, reports):
            turn = queue.open("agent")
            queue.clear()
            queue.receive(turn, tone(1.0))
            queue.close(turn)
            after = queue.open("agent")
            queue.receive(after, tone(0.4))
            queue.close(after)
            await asyncio.sleep(1.0)
            return reports.calls, room.speech

    calls, speech = run(main())
    assert calls == [
        ("finished", "agent", 0, True),
        ("started", "agent"),
        ("finished", "agent", 9600, False),
    ]
    assert speech == tone(0.4)


def test_bytes_of_two_segments_may_arrive_mixed():
    async def main():
        async with playing_queue() as (queue, room, reports):
            first, second = queue.open("agent"), queue.open("agent")
            queue.receive(second, tone(0.3, 440))
            await asyncio.sleep(0.1)
            queue.receive(first, tone(0.2))
            queue.close(second)
            queue.close(first)
            await asyncio.sleep(1.0)
            return reports.calls, room.speech

    calls, speech = run(main())
    assert speech == tone(0.2) + tone(0.3, 440)
    assert [call[0] for call in calls] == ["started", "finished"] * 2


def test_an_empty_segment_finishes_without_starting():
    async def main():
        async with playing_queue() as (queue, _, reports):
            queue.close(queue.open("agent"))
            await asyncio.sleep(0.2)
            return reports.calls

    assert run(main()) == [("finished", "agent", 0, False)]


def test_a_lost_trailer_ends_the_segment_and_the_next_one_plays():
    async def main():
        async with playing_queue() as (queue, _, reports):
            first, second = queue.open("agent"), queue.open("announcer")
            queue.receive(first, tone(0.5))
            queue.receive(second, tone(0.5))
            queue.close(second)
            await asyncio.sleep(15)
            return reports.calls

    assert run(main()) == [
        ("started", "agent"),
        ("finished", "agent", 12_000, False),
        ("started", "announcer"),
        ("finished", "announcer", 12_000, False),
    ]


def test_segments_from_before_a_reconnect_are_reported_first():
    async def main():
        async with playing_queue() as (queue, _, reports):
            turn = queue.open("agent")
            queue.receive(turn, tone(3.0))
            await asyncio.sleep(0.5)
            queue.disconnected("agent")
            await asyncio.sleep(0.5)
            queue.reconnected("agent")
            [_, over] = reports.calls
            again = queue.open("agent")
            queue.receive(again, tone(0.5))
            queue.close(again)
            await asyncio.sleep(1.0)
            return over, reports.calls[2:]

    (_, _, heard, cut), later = run(main())
    assert cut
    assert 23_000 < heard <= 24_000
    assert later == [("started", "agent"), ("finished", "agent", 12_000, False)]


def test_a_sender_too_far_ahead_is_stopped_and_its_audio_plays():
    async def main():
        async with playing_queue(buffered_s=1.0) as (queue, _, reports):
            turn = queue.open("agent")
            taken = [queue.receive(turn, tone(0.6)) for _ in range(4)]
            await asyncio.sleep(3.0)
            return taken, reports.calls

    taken, calls = run(main())
    assert taken == [True, True, False, False]
    assert calls[-1] == ("finished", "agent", 28_800, True)


def test_a_pause_within_a_segment_does_not_end_it():
    async def main():
        async with playing_queue() as (queue, room, reports):
            turn = queue.open("agent")
            queue.receive(turn, tone(0.5))
            await asyncio.sleep(3.0)
            paused = list(reports.calls)
            queue.receive(turn, tone(0.5))
            queue.close(turn)
            await asyncio.sleep(1.0)
            return paused, reports.calls, room.speech

    paused, calls, speech = run(main())
    assert paused == [("started", "agent")]
    assert calls[1:] == [("finished", "agent", 24_000, False)]
    assert speech == tone(0.5) * 2


def test_the_pose_follows_agent_and_user():
    async def main():
        async with playing_queue() as (queue, _, __):
            poses, playout = [], queue._playout
            for who, state in [
                ("agent", "listening"),
                ("user", "away"),
                ("user", "speaking"),
                ("agent", "idle"),
                ("user", "listening"),
            ]:
                queue.set_state(**{who: state})
                poses.append(playout.pose)
            queue.set_state(agent="thinking")
            return poses, playout.pose

    poses, thinking = run(main())
    assert poses == ["listening", "idle", "listening", "listening", "idle"]
    assert thinking in ("thinking", "listening")


def test_a_held_segment_goes_on_and_is_reported_with_all_its_samples():
    async def main():
        async with playing_queue() as (queue, room, reports):
            turn = queue.open("agent")
            queue.receive(turn, tone(1.0))
            await asyncio.sleep(0.4)
            held, held_s = queue.hold(), room.now
            queue.receive(turn, tone(0.5))
            queue.close(turn)
            await asyncio.sleep(3.0)
            calls = list(reports.calls)
            queue.release()
            await asyncio.sleep(1.5)
            silent = [sent for sent in room.audio if held_s < sent.at_s < held_s + 3.0]
            return turn, held, calls, reports.calls, silent

    turn, held, before, calls, silent = run(main())
    assert held.turn == turn
    assert held.heard == pytest.approx(9600, abs=120)
    assert before == [("started", "agent")]
    assert calls == [("started", "agent"), ("finished", "agent", 36_000, False)]
    assert not any(any(sent.pcm) for sent in silent)


def test_a_clear_while_held_reports_what_was_heard_and_ends_the_hold():
    async def main():
        async with playing_queue() as (queue, _, reports):
            first, second = queue.open("agent"), queue.open("agent")
            queue.receive(first, tone(1.0))
            queue.receive(second, tone(1.0))
            await asyncio.sleep(0.4)
            held = queue.hold()
            await asyncio.sleep(1.0)
            queue.clear()
            cut = list(reports.calls)
            after = queue.open("agent")
            queue.receive(after, tone(0.3))
            queue.close(after)
            await asyncio.sleep(1.0)
            return held, cut, reports.calls[len(cut) :]

    held, cut, later = run(main())
    assert cut == [
        ("started", "agent"),
        ("finished", "agent", held.heard, True),
        ("finished", "agent", 0, True),
    ]
    assert later == [("started", "agent"), ("finished", "agent", 7200, False)]


def test_a_clear_ends_a_hold_without_a_segment():
    async def main():
        async with playing_queue() as (queue, _, reports):
            assert queue.hold() is None
            queue.clear()
            turn = queue.open("agent")
            queue.receive(turn, tone(0.3))
            queue.close(turn)
            await asyncio.sleep(1.0)
            return reports.calls

    assert run(main()) == [("started", "agent"), ("finished", "agent", 7200, False)]


def test_the_trailer_of_a_held_segment_is_not_missed():
    async def main():
        async with playing_queue(missing_end_s=1.0) as (queue, _, reports):
            turn = queue.open("agent")
            queue.receive(turn, tone(0.3))
            await asyncio.sleep(0.5)
            queue.hold()
            await asyncio.sleep(5.0)
            queue.release()
            await asyncio.sleep(0.5)
            queue.receive(turn, tone(0.3))
            queue.close(turn)
            await asyncio.sleep(1.0)
            return reports.calls

    assert run(main()) == [("started", "agent"), ("finished", "agent", 14_400, False)]
