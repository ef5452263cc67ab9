"""Receiver of byte streams with a room in memory, in virtual time."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

from livekit import rtc

from lite_gateway.datastream.receiver import MAX_STREAMS, DataStreamReceiver
from lite_gateway.metrics import Metrics
from tests.datastream.test_speaking import MemoryByteStream, refused
from tests.datastream.test_speech_queue import playing_queue
from tests.virtual import run

_AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


class MemoryRoom:
    """Room with one agent, whose streams the test opens."""

    def __init__(self) -> None:
        agent = SimpleNamespace(identity="agent", kind=_AGENT, attributes={})
        self.remote_participants = {"agent": agent}
        self.local_participant = self
        self.attributes: dict[str, str] = {}
        self.open_stream: Callable[[MemoryByteStream, str], None]

    def register_byte_stream_handler(self, topic: str, handler) -> None:
        self.open_stream = handler

    def register_rpc_method(self, name: str, handler) -> None: ...

    def on(self, name: str, handler) -> None: ...

    async def perform_rpc(self, **call: str) -> str:
        return "ok"


class SilentReports:
    """Playback reports of which the receiver needs only the streams' count."""

    def opened_stream(self, identity: str) -> None: ...

    async def run(self, caller) -> None:
        await asyncio.get_running_loop().create_future()

    async def flush(self) -> None: ...


def test_streams_without_number_are_bounded_and_each_is_reported():
    async def main():
        metrics, room = Metrics(), MemoryRoom()
        async with playing_queue() as (queue, _, reports), asyncio.TaskGroup() as group:
            receiver = DataStreamReceiver(
                queue,
                SilentReports(),
                metrics,
                external_audio="",
                owner_gone_s=30.0,
                on_owner_gone=lambda text: None,
            )
            receiver.listen(room)
            receiving = group.create_task(receiver.run())
            streams = []
            # The first one pauses, and those behind it are closed and wait. They come
            # within the time after which a newer stream of its sender ends it.
            for number in range(MAX_STREAMS + 20):
                streams.append(MemoryByteStream([5.0] if number == 0 else [b"\1\2"]))
                room.open_stream(streams[-1], "agent")
                await asyncio.sleep(0.0005)
            too_many = refused(metrics, "too_many")
            queued = queue.segments_queued
            await asyncio.sleep(60)
            receiving.cancel()
        return too_many, queued, reports.calls, streams

    too_many, queued, calls, streams = run(main(), debug=False)
    assert too_many == 20
    assert queued == MAX_STREAMS
    ends = [call[2:] for call in calls if call[0] == "finished"]
    assert ends == [(0, False)] + [(1, False)] * (MAX_STREAMS - 1) + [(0, True)] * 20
    assert all(stream.closed for stream in streams)
