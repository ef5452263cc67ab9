"""Byte streams with pauses, breaks and formats of other senders, in virtual time."""

import asyncio
from types import SimpleNamespace

import pytest
from livekit import rtc

from lite_gateway.datastream.speaking import speak_stream
from lite_gateway.datastream.stream import StreamReader
from lite_gateway.metrics import Metrics
from tests.datastream.test_speech_queue import playing_queue
from tests.fakes import tone
from tests.virtual import run

FORMAT = {"sample_rate": "24000", "num_channels": "1"}


class MemoryByteStream:
    """Reader of LiveKit's SDK in memory: chunks, the end and errors with pauses."""

    def __init__(self, script: list, attributes: dict[str, str] = FORMAT) -> None:
        self.info = SimpleNamespace(attributes=attributes)
        self.closed = False
        self._script = list(script)
        self._resume_s = 0.0

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        now = asyncio.get_running_loop().time
        while self._script and isinstance(self._script[0], float):
            # A read that was cancelled during a pause continues the same pause.
            self._resume_s = self._resume_s or now() + self._script[0]
            await asyncio.sleep(self._resume_s - now())
            self._resume_s = 0.0
            self._script.pop(0)
        if not self._script:
            raise StopAsyncIteration
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        self.closed = True


async def speak(*streams: MemoryByteStream, wait_s: float = 1.5):
    """Speak streams one after the other; return reports, speech and metrics."""
    metrics = Metrics()
    async with playing_queue(missing_end_s=60.0) as (queue, room, reports):
        for stream in streams:
            reader = StreamReader(queue.open("agent"), "agent", stream)
            await speak_stream(reader, queue, metrics)
        await asyncio.sleep(wait_s)
        assert all(stream.closed for stream in streams)
        return reports.calls, room.speech, metrics


def refused(metrics: Metrics, reason: str) -> float | None:
    name = "lite_streams_refused_total"
    return metrics.registry.get_sample_value(name, {"reason": reason})


def test_a_stream_with_two_long_pauses_is_heard_whole_and_reported_once():
    stream = MemoryByteStream([tone(1.0), 13.0, tone(1.0), 30.0, tone(0.5)])
    calls, speech, _ = run(speak(stream))
    assert calls == [("started", "agent"), ("finished", "agent", 60_000, False)]
    assert speech == tone(1.0) * 2 + tone(0.5)


def test_a_lost_trailer_ends_the_stream_after_a_minute():
    async def main():
        began_s = asyncio.get_running_loop().time()
        stream = MemoryByteStream([tone(1.0), 100.0])
        calls, *_ = await speak(stream)
        return calls, asyncio.get_running_loop().time() - began_s

    calls, took_s = run(main(), debug=False)
    assert calls[-1] == ("finished", "agent", 24_000, False)
    assert 60 < took_s < 65


BREAK = rtc.StreamError(
    "chunk index 1 is out of order, token eyJhbGciOiJIUzI1NiJ9.e30.x"
)


@pytest.mark.parametrize(
    ("script", "attributes", "reason", "samples"),
    [
        ([BREAK], FORMAT, "broken", 0),
        ([tone(0.5), 0.2, BREAK], FORMAT, "broken", 12_000),
        ([tone(0.5)], {"sample_rate": "1"}, "format", 0),
        ([tone(0.5)], {"num_channels": "6"}, "format", 0),
    ],
    ids=["broken at once", "broken later", "rate", "channels"],
)
def test_a_stream_that_cannot_be_played_is_reported_as_interrupted(
    script, attributes, reason, samples, caplog
):
    after = MemoryByteStream([tone(0.2)])
    calls, _, metrics = run(speak(MemoryByteStream(script, attributes), after))
    ends = [call[2:] for call in calls if call[0] == "finished"]
    assert ends == [(samples, True), (4_800, False)]
    assert refused(metrics, reason) == 1
    [warning] = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "cannot be played to its end" in warning
    assert "eyJ" not in warning


def test_a_rate_that_is_written_with_a_fraction_is_taken():
    attributes = {"sample_rate": "24000.0", "num_channels": "1"}
    calls, speech, _ = run(speak(MemoryByteStream([tone(0.2)], attributes)))
    assert calls[-1] == ("finished", "agent", 4_800, False)
    assert speech == tone(0.2)


def test_a_file_in_place_of_pcm_is_counted_and_logged(caplog):
    *_, metrics = run(speak(MemoryByteStream([0.2, b"OggS" + bytes(960)])))
    count = metrics.registry.get_sample_value(
        "lite_warnings_total", {"type": "not_pcm"}
    )
    assert count == 1
    assert "begins like a file of the format Ogg" in caplog.text
