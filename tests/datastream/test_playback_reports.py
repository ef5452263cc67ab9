"""Reports to senders that answer, do not, are gone or come back, in virtual time."""

import asyncio
import contextlib
import json

from livekit import rtc

from lite_gateway.datastream.playback_reports import (
    ANSWER_S,
    BACK_S,
    UNTOLD_MAX,
    PlaybackReports,
)
from tests.virtual import run

UNSUPPORTED = rtc.RpcError.ErrorCode.UNSUPPORTED_METHOD


class Me:
    """The avatar's participant; ``answers`` are what the next calls come to."""

    def __init__(self, *answers: str | int) -> None:
        self.calls: list[tuple[str, str, str, float]] = []
        self._answers = list(answers)

    async def perform_rpc(
        self, *, destination_identity: str, method: str, payload: str
    ) -> str:
        now_s = asyncio.get_running_loop().time()
        self.calls.append((destination_identity, method[12:], payload, now_s))
        answer = self._answers.pop(0) if self._answers else "ok"
        if answer == "never":
            await asyncio.get_running_loop().create_future()
        if isinstance(answer, int):
            raise rtc.RpcError(answer, "no")
        await asyncio.sleep(0.004)
        return answer

    @property
    def said(self) -> list[tuple[str, str]]:
        return [call[:2] for call in self.calls]


@contextlib.asynccontextmanager
async def telling(me: Me):
    reports = PlaybackReports()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reports.run(me))
        yield reports
        task.cancel()


def test_each_sender_is_told_in_order():
    async def main():
        me = Me()
        async with telling(me) as reports:
            reports.started("a")
            reports.finished("a", 24_000, interrupted=False)
            reports.finished("a", 0, interrupted=True)
            await reports.told()
        return me

    me = run(main())
    assert [call[1] for call in me.calls] == ["started", "finished", "finished"]
    assert json.loads(me.calls[1][2])["playback_position"] == 1.0


def test_a_start_that_nobody_takes_is_not_tried_again_and_holds_up_nothing():
    async def main():
        me = Me(UNSUPPORTED)
        async with telling(me) as reports:
            reports.started("a")
            reports.finished("a", 1, interrupted=False)
            await reports.told()
            return me, asyncio.get_running_loop().time()

    me, took_s = run(main())
    assert [call[1] for call in me.calls] == ["started", "finished"]
    assert took_s < 0.01


def test_a_finish_is_tried_three_times_and_then_given_up():
    async def main():
        me = Me(1500, 1500, 1500)
        async with telling(me) as reports:
            reports.finished("a", 1, interrupted=False)
            reports.finished("a", 2, interrupted=False)
            await reports.told()
        return me

    positions = [json.loads(call[2])["playback_position"] for call in run(main()).calls]
    assert positions == [1 / 24_000] * 3 + [2 / 24_000]


def test_one_that_does_not_answer_holds_up_no_other():
    async def main():
        me = Me("never")
        async with telling(me) as reports:
            reports.finished("a", 1, interrupted=False)
            await asyncio.sleep(0.1)
            reports.finished("b", 1, interrupted=False)
            await asyncio.sleep(0.1)
            return me.said

    assert run(main()) == [("a", "finished"), ("b", "finished")]


def test_one_that_left_is_not_called_and_told_when_it_is_back():
    async def main():
        me = Me("never")
        async with telling(me) as reports:
            reports.finished("a", 1, interrupted=False)
            await asyncio.sleep(0.1)
            reports.left("a")
            reports.finished("a", 2, interrupted=False)
            await asyncio.sleep(20)
            calls = len(me.calls)
            reports.came("a")
            await asyncio.sleep(BACK_S + 0.2)
            return calls, [
                json.loads(call[2])["playback_position"] for call in me.calls
            ]

    calls, positions = run(main())
    assert calls == 1
    assert positions == [1 / 24_000, 1 / 24_000, 2 / 24_000]


def test_one_that_left_and_opens_a_stream_is_told_nothing_of_before():
    async def main():
        me = Me("never")
        async with telling(me) as reports:
            reports.finished("a", 1, interrupted=True)
            await asyncio.sleep(1.0)
            reports.left("a")
            reports.came("a")
            reports.finished("a", 2, interrupted=True)
            await asyncio.sleep(0.1)
            reports.finished("a", 2, interrupted=True)
            reports.opened("a")
            await asyncio.sleep(0.1)
            reports.opened("a")
            reports.finished("a", 3, interrupted=False)
            await reports.told()
            return [json.loads(call[2])["playback_position"] for call in me.calls]

    assert run(main()) == [1 / 24_000, 3 / 24_000]


def test_goodbye_does_not_wait_for_one_that_left():
    async def main():
        me = Me("never")
        async with telling(me) as reports:
            reports.finished("a", 1, interrupted=True)
            await asyncio.sleep(0.1)
            reports.left("a")
            await reports.told()
            return asyncio.get_running_loop().time()

    assert run(main()) < 0.2


def test_a_sender_that_never_answers_costs_no_more_than_its_reports():
    async def main():
        me = Me(*["never"] * 1000)
        async with telling(me) as reports:
            for _ in range(UNTOLD_MAX + 50):
                reports.finished("a", 1, interrupted=False)
            await asyncio.sleep(3 * ANSWER_S + 1)
            return len(me.calls)

    assert run(main()) <= 3 * UNTOLD_MAX


def test_an_answer_that_is_lost_holds_up_the_next_for_a_moment_only():
    async def main():
        me = Me("never")
        async with telling(me) as reports:
            reports.finished("a", 1, interrupted=False)
            await asyncio.sleep(0.2)
            reports.opened("a")
            reports.finished("a", 2, interrupted=False)
            await reports.told()
            return [call[3] for call in me.calls]

    [first_s, second_s] = run(main())  # and the first is not told again
    assert second_s - first_s < 0.4
