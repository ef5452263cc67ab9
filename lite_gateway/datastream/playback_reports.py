"""
Playback reports to senders, by RPC.

Each sender gets its reports in order, from a task of its own: one that does not answer
delays no other. Senders match reports by count. If a sender reconnects and opens a new
stream, it counts as a new process, and older reports are dropped. If it reconnects
without opening one, it has lost its connection for a while, and they are delivered.
"""

import asyncio
import logging
from typing import Protocol

from lite_gateway.foreign.text import foreign_text
from protocol.datastream.names import (
    PLAYBACK_FINISHED,
    PLAYBACK_STARTED,
    playback_finished,
)

log = logging.getLogger(__name__)

MAX_OUTBOX = 256  # reports that one sender may leave unanswered
MAX_TRIES, RETRY_S = 3, 0.1
ANSWER_S = 8.0  # the SDK waits about as long for a participant that is not there
STARTED_ANSWER_S = 0.5  # the report of a start is of no use later
NEXT_REPORT_S = 0.3  # an unanswered report delays the next one by no more than this
# A sender that is back for so long without opening a stream is the same process.
SAME_PROCESS_S = 1.0

_Call = tuple[str, str]  # method, payload


class RpcCaller(Protocol):
    """Participant that calls the senders: the avatar's own."""

    async def perform_rpc(
        self, *, destination_identity: str, method: str, payload: str
    ) -> str: ...


class _Sender:
    """Outbox of one sender, and the calls that it has not answered yet."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.outbox: asyncio.Queue[_Call] = asyncio.Queue(MAX_OUTBOX)
        self.online = asyncio.Event()
        self.online.set()
        self.epoch = 0  # raised when reports are dropped: older calls are void
        self.stream_count = 0
        self._left_since_stream = False
        self._calls: set[asyncio.Timeout] = set()
        self._online_timer: asyncio.TimerHandle | None = None

    def disconnected(self) -> None:
        self._cancel_timer()
        self._left_since_stream = True
        self.online.clear()
        self._abort_calls()

    def reconnected(self) -> None:
        """Go online after `SAME_PROCESS_S`: a new process opens a stream before."""
        if not self.online.is_set():
            self._cancel_timer()
            loop = asyncio.get_running_loop()
            self._online_timer = loop.call_later(SAME_PROCESS_S, self.online.set)

    def opened_stream(self) -> None:
        self._cancel_timer()
        self.stream_count += 1
        self.online.set()
        if self._left_since_stream:
            self._left_since_stream = False
            self._drop_reports()

    def _cancel_timer(self) -> None:
        if self._online_timer is not None:
            self._online_timer.cancel()

    async def call(self, caller: RpcCaller, call: _Call, timeout_s: float) -> bool:
        """Call the sender; return whether it has answered."""
        method, payload = call
        log.debug("> %s", method)
        try:
            async with asyncio.timeout(timeout_s) as timeout:
                self._calls.add(timeout)
                try:
                    await caller.perform_rpc(
                        destination_identity=self.identity,
                        method=method,
                        payload=payload,
                    )
                finally:
                    self._calls.discard(timeout)
        except Exception as error:  # boundary: whatever the SDK raises
            level = logging.DEBUG if method == PLAYBACK_STARTED else logging.INFO
            cause = foreign_text(str(error) or type(error).__name__)
            log.log(level, "a report was not delivered, method=%s: %s", method, cause)
            return False
        return True

    def _abort_calls(self) -> None:
        for timeout in self._calls:
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())

    def _drop_reports(self) -> None:
        self.epoch += 1
        while not self.outbox.empty():
            self.outbox.get_nowait()
            self.outbox.task_done()
        self._abort_calls()


class PlaybackReports:
    """Outboxes of all senders in a room; a `PlaybackReporter`."""

    def __init__(self) -> None:
        self._senders: dict[str, _Sender] = {}
        self._new: asyncio.Queue[_Sender] = asyncio.Queue()

    def started(self, sender: str) -> None:
        self._put(sender, (PLAYBACK_STARTED, ""))

    def finished(self, sender: str, samples: int, *, interrupted: bool) -> None:
        report = playback_finished(samples, interrupted=interrupted)
        self._put(sender, (PLAYBACK_FINISHED, report))

    def disconnected(self, identity: str) -> None:
        """Hold the sender's reports back."""
        if sender := self._senders.get(identity):
            sender.disconnected()

    def reconnected(self, identity: str) -> None:
        """Deliver the reports that were held back, unless a stream is opened first."""
        if sender := self._senders.get(identity):
            sender.reconnected()

    def opened_stream(self, identity: str) -> None:
        """Drop the reports from before the sender left, if it has left since."""
        if sender := self._senders.get(identity):
            sender.opened_stream()

    def _put(self, identity: str, call: _Call) -> None:
        if identity not in self._senders:
            self._senders[identity] = _Sender(identity)
            self._new.put_nowait(self._senders[identity])
        try:
            self._senders[identity].outbox.put_nowait(call)
        except asyncio.QueueFull:
            log.warning("a sender does not answer: report dropped, %s", call[0])

    async def run(self, caller: RpcCaller) -> None:
        """Deliver reports until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                sender = await self._new.get()
                group.create_task(
                    _deliver_all(caller, sender, group), name="playback reports"
                )

    async def flush(self) -> None:
        """Wait until every sender that is online has its reports."""
        for sender in list(self._senders.values()):
            if sender.online.is_set():
                await sender.outbox.join()


async def _deliver_all(
    caller: RpcCaller, sender: _Sender, group: asyncio.TaskGroup
) -> None:
    """Deliver in order; a report without an answer delays the next one shortly."""
    while True:
        call, epoch = await sender.outbox.get(), sender.epoch
        await sender.online.wait()
        delivery = group.create_task(
            _deliver(caller, sender, call, epoch), name="playback report"
        )
        await asyncio.wait({delivery}, timeout=NEXT_REPORT_S)


async def _deliver(caller: RpcCaller, sender: _Sender, call: _Call, epoch: int) -> None:
    stream_count = sender.stream_count
    # Many senders do not implement the report of a start: it gets one short try.
    is_start = call[0] == PLAYBACK_STARTED
    tries, timeout_s = (1, STARTED_ANSWER_S) if is_start else (MAX_TRIES, ANSWER_S)
    while tries and epoch == sender.epoch:
        await sender.online.wait()
        called_s = asyncio.get_running_loop().time()
        if epoch != sender.epoch or await sender.call(caller, call, timeout_s):
            break
        took_s = asyncio.get_running_loop().time() - called_s
        if stream_count != sender.stream_count and took_s > NEXT_REPORT_S:
            # A new process may have opened that stream, and would count this report
            # as its own.
            break
        tries -= sender.online.is_set()
        if not is_start:
            await asyncio.sleep(RETRY_S)
    sender.outbox.task_done()
