"""Events and requests of LiveKit's native part, in C calls of our own."""

import ctypes
import functools
import itertools
import logging
import threading
from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.rtc import _ffi_client
from livekit.rtc._proto import ffi_pb2
from livekit.rtc.log import logger as sdk_logger

log = logging.getLogger(__name__)

# Called with the id of a request and its error, or an empty text; in a thread of the
# SDK.
Answered = Callable[[int, str], None]

_FIRST_ID = 2**62  # ids of requests; the SDK counts its own ones from 1
_MAX_KEPT = 64  # threads whose Python state is kept; the SDK has one per core, and one
_Receiver = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t)


def _head(kind: str) -> bytes:
    """Return the tag with which an event of that kind begins."""
    tag = ffi_pb2.FfiEvent.DESCRIPTOR.fields_by_name[kind].number << 3 | 2
    return bytes((tag,)) if tag < 0x80 else bytes((tag & 0x7F | 0x80, tag >> 7))


# What the SDK raises where a name or a function is not the one that we know.
_UNKNOWN = (AttributeError, KeyError, TypeError, ctypes.ArgumentError, OSError)


class SdkEvents:
    """
    Receiver of the SDK's events in place of the SDK's own, which gets the rest.

    The SDK's receiver parses each event and passes it to every room, and each of them
    wakes the event loop. Two kinds are most of the events, and end here: records of
    the log that nobody reads (one per video frame, thousands per join), and answers to
    audio that was submitted (50 a second and session).
    """

    def __init__(self) -> None:
        self._answered: dict[int, Answered] = {}
        self._ids = itertools.count(_FIRST_ID)
        self._kept: set[int] = set()  # threads whose Python state is kept
        self._logs, self._audio_taken = _head("logs"), _head("capture_audio_frame")
        self._receiver = _Receiver(self.receive)
        self._sdk_receiver = _ffi_client.ffi_event_callback
        # Asked for once: of thousands of records, each would cost 2 µs.
        self._levels = {
            level: _ffi_client.to_python_level(level)
            for level in ffi_pb2.LogLevel.values()
        }

    def install(self) -> None:
        """
        Receive the events of this process from now on, and until it ends.

        Raise one of several errors if the SDK is not one that we know.
        """
        library = _ffi_client.FfiClient.instance._ffi_lib
        library.livekit_ffi_initialize(
            self._receiver, True, b"python", rtc.__version__.encode()
        )

    def expect(self, answered: Answered) -> int:
        """Return the id for a request, and pass its answer on when it comes."""
        request_id = next(self._ids)
        self._answered[request_id] = answered
        return request_id

    def forget(self, request_id: int) -> None:
        """Expect no answer to a request that was not sent."""
        self._answered.pop(request_id, None)

    def receive(self, data: Any, size: int) -> None:
        """Receive one event: ``size`` bytes from a pointer, in a thread of the SDK."""
        self._keep_thread()
        head = ctypes.string_at(data, 2)
        if head.startswith(self._audio_taken):
            answer = _parse(data, size).capture_audio_frame
            if answered := self._answered.pop(answer.async_id, None):
                answered(answer.async_id, answer.error)
                return
        elif head == self._logs and not any(
            map(self._is_read, _parse(data, size).logs.records)
        ):
            return
        self._sdk_receiver(data, size)

    def _is_read(self, record: Any) -> bool:
        """Return whether the SDK's logger hands on records of that level."""
        level = self._levels.get(record.level)
        return level is not None and sdk_logger.isEnabledFor(level)

    def _keep_thread(self) -> None:
        """
        Keep the Python state of this thread, which is one of the SDK's.

        Python would make and free it at each event: two system calls and some 20 µs.
        An Ensure without its Release keeps it.
        """
        thread = threading.get_ident()
        if thread not in self._kept and len(self._kept) < _MAX_KEPT:
            self._kept.add(thread)
            ctypes.pythonapi.PyGILState_Ensure()


def _parse(data: Any, size: int) -> Any:
    event = ffi_pb2.FfiEvent()
    event.ParseFromString(ctypes.string_at(data, size))
    return event


# Kinds of events that a room does not read: each has a reader of its own.
_READ_ELSEWHERE = frozenset(
    (
        "audio_stream_event",
        "video_stream_event",
        "byte_stream_reader_event",
        "text_stream_reader_event",
    )
)


def own_events_only(room: rtc.Room) -> None:
    """
    Keep events of others from a room that is connected.

    The SDK gives each event to every room, and each room wakes the event loop to drop
    it: with many rooms, most wakes would be for chunks of speech of other rooms.
    """
    try:
        _filter_events(room)
    except (AttributeError, ValueError) as error:  # the SDK is not one that we know
        log.warning("a room gets the events of all others: %s", error)


def _filter_events(room: rtc.Room) -> None:
    own, handle = room._ffi_queue, room._ffi_handle.handle  # type: ignore[union-attr]

    def wanted(event: Any) -> bool:
        kind = event.WhichOneof("message")
        if kind == "room_event":
            return bool(event.room_event.room_handle == handle)
        return kind not in _READ_ELSEWHERE

    queue = _ffi_client.FfiClient.instance.queue
    with queue._lock:
        queue._subscribers = [
            (it, loop, wanted if it is own else filter_fn)
            for it, loop, filter_fn in queue._subscribers
        ]


@functools.cache
def sdk_events() -> SdkEvents | None:
    """Return the receiver of this process; None if the SDK is not one that we know."""
    try:
        _library(keeps_gil=True)
        # Read, because older versions lack it.
        _ = ffi_pb2.FfiRequest().capture_audio_frame.request_async_id
        events = SdkEvents()
        events.install()
    except _UNKNOWN as error:
        log.warning(
            "LiveKit's SDK %s is unknown, sessions cost more: %s",
            rtc.__version__,
            error,
        )
        return None
    return events


class SdkRequest:
    """
    Request to the SDK that is sent many times, with other values.

    `FfiClient.request` makes a message, an answer and a handle each time.
    """

    def __init__(self, *, keeps_gil: bool = False) -> None:
        """
        Make an empty message.

        ``keeps_gil``: no other thread of Python runs during `send`, as it may for 5 ms
        and more. For requests that take microseconds and call nothing in Python.
        """
        self._library = _library(keeps_gil=keeps_gil)
        self.message = ffi_pb2.FfiRequest()
        self._answer, self._size = ctypes.c_void_p(), ctypes.c_size_t()
        self._slots = ctypes.byref(self._answer), ctypes.byref(self._size)

    def send(self) -> None:
        """Send the message as it is now; raise `SdkRefused` if the SDK rejects it."""
        library, data = self._library, self.message.SerializeToString()
        handle = library.livekit_ffi_request(data, len(data), *self._slots)
        if handle == _ffi_client.INVALID_HANDLE:
            raise SdkRefused("LiveKit's SDK rejected a request; see its log")
        library.livekit_ffi_drop_handle(handle)


def address_of(data: bytes) -> int:
    """Return where bytes lie in memory, for as long as they are referred to."""
    address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
    assert address is not None
    return address


class SdkRefused(Exception):
    """LiveKit's SDK did not do what it was asked for."""


@functools.cache
def _library(*, keeps_gil: bool) -> ctypes.CDLL:
    """Return the SDK's native part, with functions that take bytes as they are."""
    load = ctypes.PyDLL if keeps_gil else ctypes.CDLL
    library = load(_ffi_client.FfiClient.instance._ffi_lib._name)
    library.livekit_ffi_request.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.livekit_ffi_request.restype = ctypes.c_uint64
    library.livekit_ffi_drop_handle.argtypes = [ctypes.c_uint64]
    return library
