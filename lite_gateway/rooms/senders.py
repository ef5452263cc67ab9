"""Ways of audio and video into LiveKit's SDK, with few copies and few waits."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from livekit import rtc

from lite_gateway.rooms.audio_queue import BLOCK_SAMPLES, AudioQueue
from lite_gateway.rooms.sdk_events import (
    SdkEvents,
    SdkRefused,
    SdkRequest,
    address_of,
)
from protocol.lite.messages import SAMPLE_RATE
from renderer.frames import VideoFrame

# Capacity of the SDK's queue. Playout fills at most 100 ms of it. The rest is for times
# at which the SDK's thread stands still: audio that is refused ends the session.
_QUEUE_MS = 1000
_MAX_UNANSWERED = 5  # the SDK answers within a ms


class AudioSender:
    """
    Audio source of the SDK that takes PCM without a wait for the SDK's answer.

    The SDK copies the PCM, queues it in a thread of its own, and answers from there.
    The answers wake nobody: only `clear` makes the next `send` wait for them, since
    audio that the thread has not queued yet would survive it.

    A fade is submitted by `clear` itself: some ms later, the SDK would have sent a
    block of silence before it.
    """

    def __init__(
        self,
        events: SdkEvents | None,
        now: Callable[[], float] = time.monotonic,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """
        Make a source, for which the SDK starts a thread and waits.

        ``events``: None if the SDK is unknown; each `send` waits for it then. ``loop``:
        that of `send`; None: the running one.
        """
        self._loop = loop or asyncio.get_running_loop()
        self.source = rtc.AudioSource(
            SAMPLE_RATE, 1, queue_size_ms=_QUEUE_MS, loop=self._loop
        )
        self._events = events
        self._queue = AudioQueue(now)
        # PCM by the id of its request, until the SDK has answered.
        self._unanswered: dict[int, bytes] = {}
        self._error = ""  # of an answer
        self._all_answered: asyncio.Event | None = None  # somebody waits for it
        self._clears = 0  # so far
        self._cleared_early = False  # while answers were missing
        self._fade = b""  # to submit before the next audio
        self._waiting_s = 0.0  # length of the audio that waits for answers
        self._closed = False
        if events is not None:
            # No other thread may run between a clear and the fade that follows it.
            self._clear = SdkRequest(keeps_gil=True)
            cleared = self._clear.message.clear_audio_buffer
            cleared.source_handle = self.source._ffi_handle.handle
            self._capture = SdkRequest(keeps_gil=True)
            capture = self._capture.message.capture_audio_frame
            capture.source_handle = self.source._ffi_handle.handle
            capture.buffer.sample_rate, capture.buffer.num_channels = SAMPLE_RATE, 1

    @property
    def queued_s(self) -> float:
        """Submitted audio that the SDK has not sent yet, in seconds."""
        return self._queue.queued_s + self._waiting_s

    @property
    def unsent_s(self) -> float:
        """Submitted audio that `clear` would drop now, in seconds."""
        return self._queue.unsent_s + self._waiting_s

    async def send(self, pcm: bytes) -> None:
        """
        Submit s16le samples, 24 kHz, mono, unless they are cleared during a wait.

        Raise `SdkRefused` if the SDK did not take these or earlier ones.
        """
        samples = len(pcm) // 2
        if not samples or self._closed:
            return
        if self._cleared_early or len(self._unanswered) >= _MAX_UNANSWERED:
            clears = self._clears
            self._waiting_s = samples / SAMPLE_RATE
            try:
                await self._wait_for_answers()
            finally:
                self._waiting_s = 0.0
            if clears != self._clears or self._closed:
                return
        if self._error:
            raise SdkRefused(f"LiveKit's SDK took no audio: {self._error}")
        pcm, self._fade = self._fade + pcm, b""
        if self._events is None:
            self._queue.add(pcm)
            frame = rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2)
            await self.source.capture_frame(frame)
        else:
            self._submit(pcm, self._events)

    def _submit(self, pcm: bytes, events: SdkEvents) -> None:
        self._queue.add(pcm)
        capture = self._capture.message.capture_audio_frame
        request_id = events.expect(self._on_answer)
        self._unanswered[request_id] = pcm
        capture.request_async_id = request_id
        capture.buffer.samples_per_channel = len(pcm) // 2
        capture.buffer.data_ptr = address_of(pcm)
        try:
            self._capture.send()
        except SdkRefused:  # no answer comes
            events.forget(request_id)
            self._unanswered.pop(request_id)
            raise

    def _on_answer(self, request_id: int, error: str) -> None:
        """Note an answer, in a thread of the SDK."""
        self._unanswered.pop(request_id, None)
        self._error = self._error or error
        waited_for = self._all_answered  # the event loop may replace it meanwhile
        if waited_for is not None and not self._unanswered:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(waited_for.set)

    async def _wait_for_answers(self) -> None:
        self._all_answered = asyncio.Event()
        if self._unanswered:  # after the event is there: answers come in other threads
            await self._all_answered.wait()
        self._all_answered = None
        if self._cleared_early and not self._closed:
            self._cleared_early = False
            self._clear_source()

    def clear(self, fade: bytes = b"") -> None:
        """
        Drop the submitted audio that the SDK has not sent yet, and submit ``fade``.

        The next `send` submits it if answers are missing: this audio would follow it.
        """
        self._clears += 1
        self._waiting_s = 0.0
        self._cleared_early = bool(self._unanswered)
        if self._closed:
            return
        # The SDK sends no part of a block.
        fade += bytes(-len(fade) % (2 * BLOCK_SAMPLES))
        self._clear_source()
        self._queue.clear()
        self._fade = fade
        if fade and self._events is not None and not self._cleared_early:
            self._fade = b""
            try:
                self._submit(fade, self._events)
            except SdkRefused as error:  # the next `send` reports it
                self._error = self._error or str(error)

    def _clear_source(self) -> None:
        if self._events is None:
            self.source.clear_queue()
        else:
            self._clear.send()

    def close(self) -> None:
        """Take no audio any more. The native source lives as long as this object."""
        self._closed = True


class VideoSender:
    """Video source of the SDK that takes one frame at a time, from any thread."""

    def __init__(self, width: int, height: int, *, known: bool = True) -> None:
        """``known``: whether the SDK is; else it makes more copies of each frame."""
        self.source = rtc.VideoSource(width, height)
        self._size = (width, height)
        self._capture = self._make_request() if known else None

    def _make_request(self) -> SdkRequest:
        width, height = self._size
        request = SdkRequest()
        capture = request.message.capture_video_frame
        capture.source_handle = self.source._ffi_handle.handle
        capture.rotation, capture.timestamp_us = rtc.VideoRotation.VIDEO_ROTATION_0, 0
        buffer = capture.buffer
        buffer.type = rtc.VideoBufferType.I420
        buffer.width, buffer.height, buffer.stride = width, height, 0
        luma, chroma = width * height, width * height // 4
        self._planes = [
            (buffer.components.add(stride=stride, size=size), offset)
            for stride, size, offset in (
                (width, luma, 0),
                (width // 2, chroma, luma),
                (width // 2, chroma, luma + chroma),
            )
        ]
        return request

    def send(self, frame: VideoFrame) -> None:
        """
        Submit one frame, which the SDK copies.

        Takes 0.2 to 0.9 ms at 512x512. Raise `SdkRefused` if the SDK rejects it.
        """
        pixels = frame.i420
        assert (frame.width, frame.height) == self._size
        assert pixels.flags.c_contiguous
        if self._capture is None:
            i420 = rtc.VideoBufferType.I420
            image = rtc.VideoFrame(frame.width, frame.height, i420, pixels.data)
            self.source.capture_frame(image)
            return
        address = pixels.ctypes.data
        self._capture.message.capture_video_frame.buffer.data_ptr = address
        for plane, offset in self._planes:
            plane.data_ptr = address + offset
        self._capture.send()
