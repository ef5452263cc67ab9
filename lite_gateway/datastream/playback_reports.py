"""What senders are told, by RPC: each in order, and none can hold up another."""

import asyncio
import logging
from typing import Protocol

from livekit import rtc

from protocol.datastream.names import (
    PLAYBACK_FINISHED,
    PLAYBACK_STARTED,
    playback_finished,
)

log = logging.getLogger(__name__)

UNTOLD_MAX = 256  # reports that one sender may leave unanswered
TRIES, APART_S = 3, 0.1
ANSWER_S = 8.0  # the SDK waits about as long for one that is not there
STARTED_S = 0.5  # news of a start is worthless later
PATIENCE_S = 0.3  # for an answer, before the next is told
BACK_S = 1.0  # one that is back and has not spoken by then is not another program

_Call = tuple[str, str]  # method, payload


class RpcCaller(Protocol):
    """The avatar's own participant."""

    async def perform_rpc(
        self, *, destination_identity: str, method: str, payload: str
    ) -> str: ...


class _Sender:
    """One that is told, and the call that it has not answered yet."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.untold: asyncio.Queue[_Call] = asyncio.Queue(UNTOLD_MAX)
        self.here = asyncio.Event()
        self.here.set()
        self.left = False  # since it last opened a stream
        self.lives = self.streams = 0
        self._answering: set[asyncio.Timeout] = set()
        self._soon: asyncio.TimerHandle | None = None

    def leave(self) -> None:
        self._stay()
        self.left = True
        self.here.clear()
        self.hang_up()

    def come(self) -> None:
        """Back, though it may take a call for one about what it says now."""
        if not self.here.is_set():
            self._stay()
            loop = asyncio.get_running_loop()
            self._soon = loop.call_later(BACK_S, self.here.set)

    def open(self) -> None:
        self._stay()
        self.streams += 1
        self.here.set()
        if self.left:
            self.left = False
            self.forget()

    def _stay(self) -> None:
        if self._soon is not None:
            self._soon.cancel()

    async def answers(self, me: RpcCaller, call: _Call, wait_s: float) -> bool:
        method, payload = call
        log.debug("> %s", method)
        try:
            async with asyncio.timeout(wait_s) as answering:
                self._answering.add(answering)
                try:
                    await me.perform_rpc(
                        destination_identity=self.identity,
                        method=method,
                        payload=payload,
                    )
                finally:
                    self._answering.discard(answering)
        except (rtc.RpcError, TimeoutError) as failed:
            level = logging.DEBUG if method == PLAYBACK_STARTED else logging.INFO
            log.log(level, "a sender was not told, method=%s: %s", method, failed)
            return False
        return True

    def hang_up(self) -> None:
        """What is not answered yet will not be."""
        for answering in self._answering:
            if not answering.expired():
                answering.reschedule(asyncio.get_running_loop().time())

    def forget(self) -> None:
        """What is untold is nobody's business any more."""
        self.lives += 1
        while not self.untold.empty():
            self.untold.get_nowait()
            self.untold.task_done()
        self.hang_up()


class PlaybackReports:
    """
    Senders only count their reports.  One that has left and opens a stream again is
    another program, and is told nothing of before; one that comes back and does not
    has lost its connection for a while, and is.
    """

    def __init__(self) -> None:
        self._senders: dict[str, _Sender] = {}
        self._new: asyncio.Queue[_Sender] = asyncio.Queue()  # few

    def started(self, sender: str) -> None:
        self._tell(sender, (PLAYBACK_STARTED, ""))

    def finished(self, sender: str, samples: int, *, interrupted: bool) -> None:
        report = playback_finished(samples, interrupted=interrupted)
        self._tell(sender, (PLAYBACK_FINISHED, report))

    def left(self, identity: str) -> None:
        if sender := self._senders.get(identity):
            sender.leave()

    def came(self, identity: str) -> None:
        if sender := self._senders.get(identity):
            sender.come()

    def opened(self, identity: str) -> None:
        """It opened a stream, and all of before has been reported here."""
        if sender := self._senders.get(identity):
            sender.open()

    def _tell(self, identity: str, call: _Call) -> None:
        if identity not in self._senders:
            self._senders[identity] = _Sender(identity)
            self._new.put_nowait(self._senders[identity])
        try:
            self._senders[identity].untold.put_nowait(call)
        except asyncio.QueueFull:
            log.warning("a sender does not answer: report dropped, %s", call[0])

    async def run(self, me: RpcCaller) -> None:
        """Tell, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                sender = await self._new.get()
                group.create_task(_tell_one(me, sender, group), name="reports")

    async def told(self) -> None:
        """Until nobody who is here has to be told anything."""
        for sender in list(self._senders.values()):
            if sender.here.is_set():
                await sender.untold.join()


async def _tell_one(me: RpcCaller, sender: _Sender, group: asyncio.TaskGroup) -> None:
    """In order; but one that is not answered holds up the next no longer than that."""
    while True:
        call, life = await sender.untold.get(), sender.lives
        await sender.here.wait()
        telling = group.create_task(_told(me, sender, call, life), name="report")
        await asyncio.wait({telling}, timeout=PATIENCE_S)


async def _told(me: RpcCaller, sender: _Sender, call: _Call, life: int) -> None:
    streams = sender.streams
    # Many senders do not take a start: that is no fault of theirs.
    started = call[0] == PLAYBACK_STARTED
    tries, wait_s = (1, STARTED_S) if started else (TRIES, ANSWER_S)
    while tries and life == sender.lives:
        await sender.here.wait()
        began_s = asyncio.get_running_loop().time()
        if life != sender.lives or await sender.answers(me, call, wait_s):
            break
        took_s = asyncio.get_running_loop().time() - began_s
        if streams != sender.streams and took_s > PATIENCE_S:
            break  # maybe another program by now: it would take this for its own
        tries -= sender.here.is_set()
        if not started:
            await asyncio.sleep(APART_S)
    sender.untold.task_done()
