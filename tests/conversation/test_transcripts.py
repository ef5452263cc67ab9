"""Recorder of transcripts, with a store that fails as a database does."""

import asyncio
import logging

import pytest

from lite_gateway.conversation import transcripts
from lite_gateway.conversation.transcripts import MAX_PENDING, TranscriptRecorder
from lite_gateway.errors import StoreRejected, StoreUnavailable
from lite_gateway.metrics import Metrics
from tests.virtual import run

POISON = "a text that the database refuses"
WRITE_S = 0.01


class FailingStore:
    """Store that takes lines, is away, or refuses a poisoned one, as told."""

    def __init__(self) -> None:
        self.away = False
        self.lines = []

    async def run(self, work) -> None:
        await asyncio.sleep(WRITE_S)
        if self.away:
            raise StoreUnavailable("the database is away")
        lines = work.keywords["lines"]
        if any(line.text == POISON for line in lines):
            raise StoreRejected("data", "no such text can be stored")
        self.lines += lines

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.lines]


class Recording:
    """Recorder that runs beside a test."""

    def __init__(self, *, keep: bool = True) -> None:
        self.store, self.metrics = FailingStore(), Metrics()
        self.recorder = TranscriptRecorder(self.store, self.metrics, keep=keep)

    def add(self, *texts: str) -> None:
        for text in texts:
            now_s = asyncio.get_running_loop().time()
            self.recorder.add("s1", "user", text, now_s)

    def dropped(self, reason: str) -> float:
        return self.metrics.transcript_lines_dropped.labels(reason)._value.get()

    def run(self, script) -> None:
        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self.recorder.run())
                await script()
                writer.cancel()
            await self.recorder.close()

        run(main())


def test_lines_are_written_in_order_and_nothing_waits_for_them():
    recording = Recording()
    texts = [f"line {number}" for number in range(120)]

    async def script() -> None:
        recording.add(*texts)
        assert recording.store.texts == []  # it has only been queued
        await asyncio.sleep(1)

    recording.run(script)
    assert recording.store.texts == texts


def test_lines_wait_for_a_database_that_is_away():
    recording = Recording()

    async def script() -> None:
        recording.store.away = True
        recording.add("a", "b")
        await asyncio.sleep(60)
        recording.add("c")
        recording.store.away = False
        await asyncio.sleep(10)

    recording.run(script)
    assert recording.store.texts == ["a", "b", "c"]


def test_a_line_that_is_refused_is_dropped_alone(caplog):
    recording = Recording()

    async def script() -> None:
        recording.add("a", POISON, "b")
        await asyncio.sleep(1)
        recording.add("c")
        await asyncio.sleep(1)

    with caplog.at_level(logging.ERROR):
        recording.run(script)
    assert recording.store.texts == ["a", "b", "c"]
    assert recording.dropped("data") == 1
    assert len(caplog.records) == 1
    assert POISON not in caplog.text


def test_the_oldest_lines_of_a_full_queue_are_dropped_with_one_line_of_log(caplog):
    recording = Recording()
    texts = [f"line {number}" for number in range(MAX_PENDING + 30)]

    async def script() -> None:
        recording.store.away = True
        recording.add(*texts)
        await asyncio.sleep(60)
        recording.store.away = False
        await asyncio.sleep(60)

    with caplog.at_level(logging.ERROR):
        recording.run(script)
    assert recording.store.texts == texts[30:]
    assert recording.dropped("full") == 30
    assert len(caplog.records) == 1


def test_what_a_closing_gateway_cannot_write_is_dropped_in_time(caplog):
    recording = Recording()

    async def script() -> None:
        recording.store.away = True
        recording.add("a", "b")
        await asyncio.sleep(60)

    with caplog.at_level(logging.ERROR):
        recording.run(script)
    assert recording.dropped("closed") == 2
    assert len(caplog.records) == 1


def test_closing_writes_what_is_queued():
    recording = Recording()

    async def script() -> None:
        recording.add("a", "b")

    recording.run(script)
    assert recording.store.texts == ["a", "b"]


def test_nothing_is_kept_where_transcripts_are_off_and_blanks_never():
    off, on = Recording(keep=False), Recording()

    def script_of(recording: Recording):
        async def script() -> None:
            recording.add("a", " \n")
            await asyncio.sleep(1)

        return script

    off.run(script_of(off))
    on.run(script_of(on))
    assert (off.store.texts, on.store.texts) == ([], ["a"])


@pytest.mark.parametrize("age_s", [0.0, 2.5])
def test_the_moment_of_a_line_is_kept_in_unix_time(age_s):
    recording = Recording()
    before_ms = transcripts.transcripts.unix_ms(transcripts.now())

    async def script() -> None:
        await asyncio.sleep(10)
        now_s = asyncio.get_running_loop().time()
        recording.recorder.add("s1", "avatar", "a", now_s - age_s)
        await asyncio.sleep(1)

    recording.run(script)
    after_ms = transcripts.transcripts.unix_ms(transcripts.now())
    age_ms = round(age_s * 1000)
    assert before_ms - age_ms <= recording.store.lines[0].at_ms <= after_ms - age_ms


def test_a_line_whose_write_is_cancelled_says_that_it_may_be_stored():
    recording = Recording()

    async def script() -> None:
        recording.add("before the end")
        await asyncio.sleep(WRITE_S / 2)  # the gateway stops while it is written

    recording.run(script)
    assert recording.store.texts == ["before the end"]
    assert recording.store.lines[0].may_be_stored
