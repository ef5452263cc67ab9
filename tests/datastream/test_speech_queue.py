"""The data stream's floor between stand-ins, in virtual time."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import pytest

from lite_gateway.datastream.permissions import SenderPermissions
from lite_gateway.datastream.speech_queue import SpeechQueue
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from tests.fakes import FakeRenderer, MemoryRoom, tone
from tests.virtual import run


@dataclass
class Told:
    """What senders are told, and when."""

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
async def floor(buffered_s: float = 600.0):
    """A floor that plays, its room, and what senders are told."""
    loop, room, told = asyncio.get_running_loop(), MemoryRoom(), Told()
    studio, metrics = FakeRenderer(), Metrics()
    playout = Playout(studio.render, room, metrics, now=loop.time, source="datastream")
    made = SpeechQueue(
        playout, told, on_activity=lambda: None, max_buffered_s=buffered_s
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(playout.run(made))
        await asyncio.sleep(0.5)
        yield made, room, told
        task.cancel()


def test_a_segment_is_told_started_at_once_and_finished_when_it_was_heard():
    async def main():
        async with floor() as (made, room, told):
            began_s = room.now
            turn = made.open("agent")
            made.receive(turn, tone(1.0))
            made.close(turn)
            await asyncio.sleep(2)
            return told.calls, [at - began_s for at in told.at_s], room.speech

    calls, at_s, speech = run(main())
    assert calls == [("started", "agent"), ("finished", "agent", 24_000, False)]
    assert at_s[0] < 0.04
    assert at_s[1] == pytest.approx(1.006, abs=0.02)
    assert speech == tone(1.0)


def test_a_clear_is_told_in_the_same_call_with_what_was_heard():
    async def main():
        async with floor() as (made, room, told):
            first, second = made.open("agent"), made.open("agent")
            made.receive(first, tone(2.0))
            made.receive(second, tone(2.0))
            await asyncio.sleep(1.0)
            made.clear()
            calls, cleared_s = list(told.calls), room.cleared_s[-1] - room.now
            made.receive(second, tone(1.0))
            made.close(second)
            await asyncio.sleep(1.0)
            return calls, told.calls[len(calls) :], cleared_s

    calls, later, cleared_s = run(main())
    [started, (_, _, heard, cut), second] = calls
    assert started == ("started", "agent")
    assert cut
    assert 23_000 < heard <= 24_000
    assert second == ("finished", "agent", 0, True)
    assert later == []
    assert cleared_s == 0


def test_a_clear_before_any_byte_is_told_and_the_bytes_are_never_heard():
    async def main():
        async with floor() as (made, room, told):
            turn = made.open("agent")
            made.clear()
            made.receive(turn, tone(1.0))
            made.close(turn)
            after = made.open("agent")
            made.receive(after, tone(0.4))
            made.close(after)
            await asyncio.sleep(1.0)
            return told.calls, room.speech

    calls, speech = run(main())
    assert calls == [
        ("finished", "agent", 0, True),
        ("started", "agent"),
        ("finished", "agent", 9600, False),
    ]
    assert speech == tone(0.4)


def test_bytes_find_their_segment_whatever_the_order_they_come_in():
    async def main():
        async with floor() as (made, room, told):
            first, second = made.open("agent"), made.open("agent")
            made.receive(second, tone(0.3, 440))
            await asyncio.sleep(0.1)
            made.receive(first, tone(0.2))
            made.close(second)
            made.close(first)
            await asyncio.sleep(1.0)
            return told.calls, room.speech

    calls, speech = run(main())
    assert speech == tone(0.2) + tone(0.3, 440)
    assert [call[0] for call in calls] == ["started", "finished"] * 2


def test_a_segment_without_a_byte_is_finished_and_never_starts():
    async def main():
        async with floor() as (made, _, told):
            made.close(made.open("agent"))
            await asyncio.sleep(0.2)
            return told.calls

    assert run(main()) == [("finished", "agent", 0, False)]


def test_a_trailer_that_never_comes_is_given_up_and_the_next_one_speaks():
    async def main():
        async with floor() as (made, _, told):
            first, second = made.open("agent"), made.open("announcer")
            made.receive(first, tone(0.5))
            made.receive(second, tone(0.5))
            made.close(second)
            await asyncio.sleep(15)
            return told.calls

    assert run(main()) == [
        ("started", "agent"),
        ("finished", "agent", 12_000, False),
        ("started", "announcer"),
        ("finished", "announcer", 12_000, False),
    ]


def test_what_an_agent_left_behind_is_told_before_it_opens_anything_new():
    async def main():
        async with floor() as (made, _, told):
            turn = made.open("agent")
            made.receive(turn, tone(3.0))
            await asyncio.sleep(0.5)
            made.left("agent")
            await asyncio.sleep(0.5)
            made.returned("agent")
            [_, over] = told.calls
            again = made.open("agent")
            made.receive(again, tone(0.5))
            made.close(again)
            await asyncio.sleep(1.0)
            return over, told.calls[2:]

    (_, _, heard, cut), later = run(main())
    assert cut
    assert 23_000 < heard <= 24_000
    assert later == [("started", "agent"), ("finished", "agent", 12_000, False)]


def test_a_sender_far_ahead_is_stopped_and_what_it_sent_is_spoken():
    async def main():
        async with floor(buffered_s=1.0) as (made, _, told):
            turn = made.open("agent")
            taken = [made.receive(turn, tone(0.6)) for _ in range(4)]
            await asyncio.sleep(3.0)
            return taken, told.calls

    taken, calls = run(main())
    assert taken == [True, True, False, False]
    assert calls[-1] == ("finished", "agent", 28_800, False)


def test_a_pause_within_a_segment_does_not_end_it():
    async def main():
        async with floor() as (made, room, told):
            turn = made.open("agent")
            made.receive(turn, tone(0.5))
            await asyncio.sleep(3.0)
            paused = list(told.calls)
            made.receive(turn, tone(0.5))
            made.close(turn)
            await asyncio.sleep(1.0)
            return paused, told.calls, room.speech

    paused, calls, speech = run(main())
    assert paused == [("started", "agent")]
    assert calls[1:] == [("finished", "agent", 24_000, False)]
    assert speech == tone(0.5) * 2


def test_the_pose_follows_agent_and_user():
    async def main():
        async with floor() as (made, _, __):
            poses = []
            for who, state in [
                ("agent", "listening"),
                ("user", "away"),
                ("user", "speaking"),
                ("agent", "idle"),
                ("user", "listening"),
            ]:
                made.set_state(**{who: state})
                poses.append(made._playout.pose)
            made.set_state(agent="thinking")
            return poses, made._playout.pose

    poses, thinking = run(main())
    assert poses == ["listening", "idle", "listening", "listening", "idle"]
    assert thinking in ("thinking", "listening")


@pytest.mark.parametrize(
    ("owner", "setting", "who", "is_agent", "may"),
    [
        ("ada", "none", "ada", True, True),
        ("ada", "none", "eve", True, False),
        ("ada", "none", "eve", False, False),
        ("ada", "", "eve", False, False),
        ("ada", "any", "eve", False, True),
        ("ada", "bob, eve", "eve", False, True),
        ("ada", "bob, eve", "mallory", True, False),
        ("", "none", "eve", True, True),
        ("", "none", "eve", False, False),
        ("", "eve", "eve", False, True),
        ("", "none", "", False, False),
    ],
)
def test_who_may_speak(owner, setting, who, is_agent, may):
    assert SenderPermissions.of(owner, setting).may(who, is_agent=is_agent) is may
