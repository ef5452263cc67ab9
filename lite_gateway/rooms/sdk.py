"""Calls of LiveKit's SDK that run to their end, and the panics that it reports."""

import asyncio
import contextlib
import logging
import os
import types
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from livekit import rtc
from livekit.rtc import _ffi_client

from lite_gateway.foreign.text import foreign_text
from lite_gateway.metrics import Metrics
from lite_gateway.threads import Workers

log = logging.getLogger(__name__)

PROBE_S = 5.0
_PROBE_RATE, _PROBE_SAMPLES = 48_000, 480
_T = TypeVar("_T")


class SdkBroken(Exception):
    """LiveKit's SDK does not answer any more: only a new process helps."""


class CallOwner(NamedTuple):
    """API key and session that a call of the SDK is made for."""

    key_id: str
    session_id: str


class SdkCalls:
    """
    Calls of the SDK, each in a task of its own that is never cancelled.

    The SDK is not safe against cancellation: 15 s after a cancelled join has succeeded
    natively it reports a panic (livekit/python-sdks 784, 785), and a publish that is
    cancelled stops the events of its room. So callers stop waiting, and the call goes
    on. The task group of a caller would cancel it, hence tasks without one.
    """

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], CallOwner] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._thread = Workers(1, "sdk")

    def start(
        self, call: Coroutine[Any, Any, _T], name: str, owner: CallOwner
    ) -> asyncio.Task[_T]:
        """Run a call to its end, whether or not somebody waits for it."""
        task = asyncio.get_running_loop().create_task(call, name=name)
        self._running[task] = owner
        task.add_done_callback(self._ended)
        return task

    async def result(self, task: asyncio.Task[_T], within_s: float) -> _T:
        """
        Return a call's result, or raise its error.

        Raises `TimeoutError` after ``within_s``. The call goes on then, and also when
        the caller is cancelled.
        """
        try:
            await asyncio.wait((task,), timeout=within_s)
        finally:
            if not task.done():
                self._late.add(task)
        if not task.done():
            raise TimeoutError
        try:
            return task.result()
        finally:
            del task  # else an error would keep its own frame, and the room, alive

    def in_thread(self, work: Callable[[], _T]) -> asyncio.Future[_T]:
        """
        Run ``work`` in a thread: a call of the SDK that waits for threads of its own.

        To make a track, or to give a room or a track back, the SDK asks WebRTC's
        threads to do it and waits for them, for many ms on a busy machine. Calls are
        made one after the other, also those of different sessions.
        """
        return self._thread.run(work)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        del self._running[task]
        late = task in self._late
        self._late.discard(task)
        if task.cancelled():  # only at the end of the event loop
            return
        if task.exception() and late:  # nobody waits for it
            log.info("late call of LiveKit's SDK failed, call=%s", task.get_name())

    def late(self, key_id: str) -> int:
        """Return how many calls for that API key go on and have no caller any more."""
        return sum(self._running[task].key_id == key_id for task in self._late)

    async def wait_session(self, session_id: str) -> None:
        """Wait until no call for that session runs: it has left its room then."""
        running = [
            task
            for task, owner in self._running.items()
            if owner.session_id == session_id
        ]
        if running:
            await asyncio.wait(running)

    async def wait(self, within_s: float) -> None:
        """Wait for the running calls at the end of the process."""
        if self._running:
            await asyncio.wait(self._running, timeout=within_s)

    def close(self) -> None:
        """End the thread when the work that was given to it is done."""
        self._thread.close()


class SdkPanics:
    """
    Receiver of the SDK's panics.

    The SDK prints a panic of its native part and sends SIGTERM to its own process,
    which would end every session. Most panics concern one room or one call. So they
    are counted, and the process is only given up if the SDK does not answer any more.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._reported = asyncio.Event()

    def install(self) -> None:
        """
        Keep the SDK's signal out of this process.

        Not for a process whose owner relies on it, such as a job of LiveKit agents.
        """
        loop = asyncio.get_running_loop()

        def on_panic(text: str) -> None:  # in a thread of the SDK
            self._metrics.sdk_panics.inc()
            log.error("LiveKit's SDK reported a panic: %s", foreign_text(text))
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._reported.set)

        _replace_signal(on_panic)

    async def watch(self) -> None:
        """After each panic ask the SDK for an answer; raise `SdkBroken` without one."""
        while True:
            await self._reported.wait()
            self._reported.clear()
            await probe()
            log.info("LiveKit's SDK answers: sessions go on after its panic")


def _replace_signal(on_panic: Callable[[str], None]) -> None:
    """
    Call ``on_panic`` in place of the SDK's ``os.kill``.

    The SDK looks up both ``print``, which gets the panic's text, and ``os`` in its
    module at each panic. Replacing them costs nothing at other events.
    """
    text = "without a text"

    def keep_text(*words: object, **_: object) -> None:
        nonlocal text
        text = " ".join(map(str, words))

    def kill(_pid: int, _signal: int) -> None:
        on_panic(text)

    patched = types.ModuleType(os.__name__)
    vars(patched).update(vars(os))
    patched.kill = kill  # type: ignore[attr-defined]
    _ffi_client.os = patched  # type: ignore[attr-defined]
    _ffi_client.print = keep_text  # type: ignore[attr-defined]


async def probe() -> None:
    """Raise `SdkBroken` unless the SDK's native part accepts 10 ms of silence."""
    source = rtc.AudioSource(_PROBE_RATE, 1, queue_size_ms=100)
    silence = rtc.AudioFrame(bytes(2 * _PROBE_SAMPLES), _PROBE_RATE, 1, _PROBE_SAMPLES)
    try:
        async with asyncio.timeout(PROBE_S):
            await source.capture_frame(silence)
        await source.aclose()
    except Exception as error:  # boundary: whatever a broken SDK raises
        raise SdkBroken(
            f"LiveKit's SDK does not answer: {error or 'timeout'}"
        ) from None
