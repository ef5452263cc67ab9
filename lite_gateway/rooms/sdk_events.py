"""Events and requests of LiveKit's native part, in C calls of our own."""

import contextlib
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
_READ_BYTES = 24  # of each event: an answer without an error, or the level of a record
# Tags of the first field in a message of protobuf, by its type.
_FIRST_VARINT, _FIRST_MESSAGE = 0x08, 0x0A
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
        self._levels: dict[int, int | None] = {
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
        head = ctypes.string_at(data, min(size, _READ_BYTES))
        if head.startswith(self._audio_taken):
            start = len(self._audio_taken)
            answer = _answer(head, start, size) or _parsed_answer(data, size)
            if answered := self._answered.pop(answer[0], None):
                answered(*answer)
                return
        elif head.startswith(self._logs):
            level = _only_level(head, len(self._logs), size)
            levels = _parsed_levels(data, size) if level is None else (level,)
            if not any(map(self._is_read, levels)):
                return
        self._sdk_receiver(data, size)

    def _is_read(self, level: int) -> bool:
        """Return whether the SDK's logger hands on records of that level."""
        known = self._levels.get(level)
        return known is not None and sdk_logger.isEnabledFor(known)

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


# The frequent events are read by hand. Each time that protobuf has freed 10,000 pieces
# of memory, it calls malloc_trim. Its thread has Python's lock meanwhile, and the free
# memory goes back to the system: the next 20 s of audio cost some 300 page faults.


def _answer(head: bytes, start: int, size: int) -> tuple[int, str] | None:
    """Return the answer to audio that was taken; None: it is to be parsed."""
    with contextlib.suppress(IndexError):
        length, start = _varint(head, start)
        if start + length == size and head[start] == _FIRST_VARINT:
            request_id, end = _varint(head, start + 1)
            if end == size:
                return request_id, ""
    return None


def _only_level(head: bytes, start: int, size: int) -> int | None:
    """Return the level of the only record of an event; None: it is to be parsed."""
    with contextlib.suppress(IndexError):
        length, start = _varint(head, start)
        if start + length == size and head[start] == _FIRST_MESSAGE:
            length, start = _varint(head, start + 1)
            if start + length == size and head[start] == _FIRST_VARINT:
                return _varint(head, start + 1)[0]
    return None


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return the number at a place, and the place after it."""
    number = shift = 0
    while True:
        byte = data[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place


def _parsed_answer(data: Any, size: int) -> tuple[int, str]:
    answer = _parse(data, size).capture_audio_frame
    return answer.async_id, answer.error


def _parsed_levels(data: Any, size: int) -> list[int]:
    return [record.level for record in _parse(data, size).logs.records]


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
