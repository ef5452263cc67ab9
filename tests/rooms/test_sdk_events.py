"""Events of LiveKit's SDK: which of them end at the gateway's receiver."""

import asyncio
import ctypes
import logging
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from livekit.rtc import _ffi_client
from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto import ffi_pb2
from livekit.rtc.log import logger as sdk_logger

from lite_gateway.rooms import sdk_events as module
from lite_gateway.rooms.sdk import probe
from lite_gateway.rooms.sdk_events import SdkEvents, own_events_only, sdk_events


def as_sdk(events: SdkEvents, event: ffi_pb2.FfiEvent) -> None:
    """Report an event as the SDK does: from a thread that Python does not know."""
    data = event.SerializeToString()
    buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
    thread = threading.Thread(target=events.receive, args=(buffer, len(data)))
    thread.start()
    thread.join()


def answer(request_id: int, error: str = "") -> ffi_pb2.FfiEvent:
    event = ffi_pb2.FfiEvent()
    event.capture_audio_frame.async_id = request_id
    if error:
        event.capture_audio_frame.error = error
    return event


def record(level: int, text: str) -> ffi_pb2.FfiEvent:
    event = ffi_pb2.FfiEvent()
    event.logs.records.add(level=level, target="libwebrtc", message=text)
    return event


def test_an_answer_reaches_the_one_who_expects_it_once():
    events, answers = SdkEvents(), []
    first = events.expect(lambda *answer: answers.append(("first", *answer)))
    second = events.expect(lambda *answer: answers.append(("second", *answer)))
    assert second > first > 2**60  # never an id of the SDK, which counts from 1
    as_sdk(events, answer(second, "the queue is full"))
    as_sdk(events, answer(first))
    as_sdk(events, answer(first))  # passed on to the SDK, where nobody waits
    assert answers == [
        ("second", second, "the queue is full"),
        ("first", first, ""),
    ]


def test_records_of_the_log_are_handed_on_where_the_logger_reads_them(caplog):
    events = SdkEvents()
    with caplog.at_level(logging.WARNING, logger=sdk_logger.name):
        as_sdk(events, record(ffi_pb2.LOG_ERROR, "it failed"))
        as_sdk(events, record(ffi_pb2.LOG_WARN, "it is slow"))
        as_sdk(events, record(ffi_pb2.LOG_INFO, "it is there"))
        as_sdk(events, record(ffi_pb2.LOG_TRACE, "a frame"))
        mixed = record(ffi_pb2.LOG_TRACE, "another frame")
        mixed.MergeFrom(record(ffi_pb2.LOG_WARN, "it is late"))
        as_sdk(events, mixed)
    texts = [text for text in caplog.messages if text.startswith("libwebrtc")]
    assert [text.rpartition(" - ")[2] for text in texts] == [
        *("it failed", "it is slow", "it is late")
    ]
    with caplog.at_level(logging.INFO, logger=sdk_logger.name):
        as_sdk(events, record(ffi_pb2.LOG_INFO, "it is there"))
    assert any(text.endswith("it is there") for text in caplog.messages)


@pytest.mark.parametrize("chars", [0, 1, 90, 200, 20_000])
def test_frequent_events_are_read_without_a_message_of_protobuf(monkeypatch, chars):
    """Protobuf gives free memory back to the system after some thousands of them."""
    monkeypatch.setattr(module, "_parse", None)
    events, answers = SdkEvents(), []
    number = events.expect(lambda *answer: answers.append(answer))
    as_sdk(events, answer(number))
    assert answers == [(number, "")]
    handed_on = []
    events._sdk_receiver = lambda *event: handed_on.append(event)
    for level in (ffi_pb2.LOG_INFO, ffi_pb2.LOG_DEBUG, ffi_pb2.LOG_TRACE):
        as_sdk(events, record(level, "x" * chars))
    assert not handed_on
    as_sdk(events, record(ffi_pb2.LOG_WARN, "x" * chars))
    assert len(handed_on) == 1


def test_other_calls_of_the_sdk_get_their_answers():
    """The probe waits for an answer in the SDK's way."""
    assert sdk_events() is not None
    assert sdk_events() is sdk_events()
    asyncio.run(probe())


class FakeRoom:
    """Room as far as its events go: it is connected, and subscribed to all of them."""

    def __init__(self, handle: int) -> None:
        self._ffi_handle = SimpleNamespace(handle=handle)
        self._ffi_queue = FfiClient.instance.queue.subscribe()

    def received(self) -> list[ffi_pb2.FfiEvent]:
        queue = self._ffi_queue
        return [queue.get_nowait() for _ in range(queue.qsize())]


def test_a_room_is_woken_by_its_own_events_only():
    """The SDK gives each event to every room."""
    events = [ffi_pb2.FfiEvent() for _ in range(5)]
    events[0].room_event.room_handle = 1
    events[1].room_event.room_handle = 2
    events[2].byte_stream_reader_event.reader_handle = 7
    events[3].publish_track.async_id = 5
    events[4].rpc_method_invocation.local_participant_handle = 9

    async def main() -> None:
        rooms = [FakeRoom(1), FakeRoom(2), FakeRoom(3)]
        for room in rooms[:2]:
            own_events_only(room)
        for event in events:
            FfiClient.instance.queue.put(event)
        await asyncio.sleep(0.01)
        first, second, unchanged = (room.received() for room in rooms)
        assert first == [events[0], *events[3:]]
        assert second == [events[1], *events[3:]]
        assert unchanged == events
        for room in rooms:
            FfiClient.instance.queue.unsubscribe(room._ffi_queue)

    asyncio.run(main())


def test_a_room_with_other_parts_keeps_the_events_of_all_rooms(caplog):
    own_events_only(SimpleNamespace())
    assert "a room gets the events of all others" in caplog.text


@pytest.mark.parametrize("missing", ["ffi_event_callback", "FfiClient", "ffi_pb2"])
def test_an_sdk_with_other_parts_is_unknown_and_the_log_says_so(
    monkeypatch, caplog, missing
):
    if missing == "ffi_pb2":
        monkeypatch.setattr(module, "ffi_pb2", SimpleNamespace())
    else:
        monkeypatch.delattr(_ffi_client, missing)
    module._library.cache_clear()
    assert module.sdk_events.__wrapped__() is None
    assert "is unknown, sessions cost more" in caplog.text


# Events come until the end, in threads whose Python state is kept.
BUSY_END = """
import asyncio
from lite_gateway.rooms.sdk_events import sdk_events
from lite_gateway.rooms.senders import AudioSender

async def main():
    sender = AudioSender(sdk_events())
    for _ in range(10):
        await sender.send(bytes(960))
        await asyncio.sleep(0.002)

asyncio.run(main())
print("ends")
"""


@pytest.mark.parametrize("run", range(3))
def test_a_process_ends_cleanly_while_events_come(run):
    result = subprocess.run(
        [sys.executable, "-c", BUSY_END], capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stdout) == (0, "ends\n"), result.stderr
