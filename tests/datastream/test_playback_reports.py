"""Reports to senders that answer, stay silent, leave or return, in virtual time."""

import asyncio
import contextlib
import json

from livekit import rtc

from lite_gateway.datastream.playback_reports import (
    ANSWER_S,
    MAX_OUTBOX,
    SAME_PROCESS_S,
    PlaybackReports,
)
from tests.virtual import run

UNSUPPORTED = rtc.RpcError.ErrorCode.UNSUPPORTED_METHOD


class FakeParticipant:
    """Participant of the avatar; ``answers`` are the results of the next calls."""

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
        if answer == "broken":
            raise AssertionError("the SDK is broken")
        if isinstance(answer, int):
            raise rtc.RpcError(answer, "no")
        await asyncio.sleep(0.004)
        return answer

    @property
    def calls_made(self) -> list[tuple[str, str]]:
        return [call[:2] for call in self.calls]


@contextlib.asynccontextmanager
async def delivering(participant: FakeParticipant):
    reports = PlaybackReports()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reports.run(participant))
        yield reports
        task.cancel()


def test_reports_arrive_in_order():
    async def main():
        participant = FakeParticipant()
        async with delivering(participant) as reports:
            reports.started("a")
            reports.finished("a", 24_000, interrupted=False)
            reports.finished("a", 0, interrupted=True)
            await reports.flush()
        return participant

    participant = run(main())
    assert [call[1] for call in participant.calls] == [
        "started",
        "finished",
        "finished",
    ]
    assert json.loads(participant.calls[1][2])["playback_position"] == 1.0


def test_an_unsupported_start_report_is_not_retried_and_delays_nothing():
    async def main():
        participant = FakeParticipant(UNSUPPORTED)
        async with delivering(participant) as reports:
            reports.started("a")
            reports.finished("a", 1, interrupted=False)
            await reports.flush()
            return participant, asyncio.get_running_loop().time()

    participant, took_s = run(main())
    assert [call[1] for call in participant.calls] == ["started", "finished"]
    assert took_s < 0.01


def test_a_finish_report_is_tried_three_times():
    async def main():
        participant = FakeParticipant(1500, 1500, 1500)
        async with delivering(participant) as reports:
            reports.finished("a", 1, interrupted=False)
            reports.finished("a", 2, interrupted=False)
            await reports.flush()
        return participant

    positions = [json.loads(call[2])["playback_position"] for call in run(main()).calls]
    assert positions == [1 / 24_000] * 3 + [2 / 24_000]


def test_a_silent_sender_delays_no_other_sender():
    async def main():
        participant = FakeParticipant("never")
        async with delivering(participant) as reports:
            reports.finished("a", 1, interrupted=False)
            await asyncio.sleep(0.1)
            reports.finished("b", 1, interrupted=False)
            await asyncio.sleep(0.1)
            return participant.calls_made

    assert run(main()) == [("a", "finished"), ("b", "finished")]


def test_a_sender_that_left_gets_its_reports_when_it_is_back():
    async def main():
        participant = FakeParticipant("never")
        async with delivering(participant) as reports:
            reports.finished("a", 1, interrupted=False)
            await asyncio.sleep(0.1)
            reports.disconnected("a")
            reports.finished("a", 2, interrupted=False)
            await asyncio.sleep(20)
            calls = len(participant.calls)
            reports.reconnected("a")
            await asyncio.sleep(SAME_PROCESS_S + 0.2)
            return calls, [
                json.loads(call[2])["playback_position"] for call in participant.calls
            ]

    calls, positions = run(main())
    assert calls == 1
    assert positions == [1 / 24_000, 1 / 24_000, 2 / 24_000]


def test_a_sender_that_left_and_opens_a_stream_gets_no_older_report():
    async def main():
        participant = FakeParticipant("never")
        async with delivering(participant) as reports:
            reports.finished("a", 1, interrupted=True)
            await asyncio.sleep(1.0)
            reports.disconnected("a")
            reports.reconnected("a")
            reports.finished("a", 2, interrupted=True)
            await asyncio.sleep(0.1)
            reports.finished("a", 2, interrupted=True)
            reports.opened_stream("a")
            await asyncio.sleep(0.1)
            reports.opened_stream("a")
            reports.finished("a", 3, interrupted=False)
            await reports.flush()
            return [
                json.loads(call[2])["playback_position"] for call in participant.calls
            ]

    assert run(main()) == [1 / 24_000, 3 / 24_000]


def test_flush_does_not_wait_for_a_sender_that_left():
    async def main():
        participant = FakeParticipant("never")
        async with delivering(participant) as reports:
            reports.finished("a", 1, interrupted=True)
            await asyncio.sleep(0.1)
            reports.disconnected("a")
            await reports.flush()
            return asyncio.get_running_loop().time()

    assert run(main()) < 0.2


def test_a_sender_that_never_answers_has_a_bounded_outbox():
    async def main():
        participant = FakeParticipant(*["never"] * 1000)
        async with delivering(participant) as reports:
            for _ in range(MAX_OUTBOX + 50):
                reports.finished("a", 1, interrupted=False)
            await asyncio.sleep(3 * ANSWER_S + 1)
            return len(participant.calls)

    assert run(main()) <= 3 * MAX_OUTBOX


def test_a_lost_answer_delays_the_next_report_shortly():
    async def main():
        participant = FakeParticipant("never")
        async with delivering(participant) as reports:
            reports.finished("a", 1, interrupted=False)
            await asyncio.sleep(0.2)
            reports.opened_stream("a")
            reports.finished("a", 2, interrupted=False)
            await reports.flush()
            return [call[3] for call in participant.calls]

    [first_s, second_s] = run(main())  # and the first is not told again
    assert second_s - first_s < 0.4


def test_an_odd_error_of_the_sdk_loses_one_report_at_most():
    async def main():
        participant = FakeParticipant("broken", "broken", "ok")
        async with delivering(participant) as reports:
            reports.finished("a", 24_000, interrupted=False)
            await reports.flush()
            reports.finished("a", 24_000, interrupted=False)
            await reports.flush()
        return participant

    assert run(main()).calls_made == [("a", "finished")] * 4
