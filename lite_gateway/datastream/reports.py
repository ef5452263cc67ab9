"""What senders are told, by RPC: each in order, and none can hold up another."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from livekit import rtc

from protocol.datastream import (
    PLAYBACK_FINISHED,
    PLAYBACK_STARTED,
    playback_finished,
)

log = logging.getLogger(__name__)

UNTOLD_MAX = 256  # reports that one sender may leave unanswered
TRIES, APART_S = 3, 0.1
ANSWER_S = 8.0  # the SDK waits about as long for one that is not there
STARTED_S = 0.5  # news of a start is worthless later

_Call = tuple[str, str]  # method, payload


class Caller(Protocol):
    """The avatar's own participant."""

    async def perform_rpc(
        self, *, destination_identity: str, method: str, payload: str
    ) -> str: ...


class _Sender:
    """One that is told, and the call that it has not answered yet."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.untold: asyncio.Queue[_Call] = asyncio.Queue(UNTOLD_MAX)
        self.answering: asyncio.Timeout | None = None


class Reports:
    """``present`` says who is in the room: nobody else is called."""

    def __init__(self, present: Callable[[str], bool]) -> None:
        self._present = present
        self._senders: dict[str, _Sender] = {}
        self._new: asyncio.Queue[_Sender] = asyncio.Queue()  # few

    def started(self, sender: str) -> None:
        self._tell(sender, (PLAYBACK_STARTED, ""))

    def finished(self, sender: str, samples: int, *, interrupted: bool) -> None:
        report = playback_finished(samples, interrupted=interrupted)
        self._tell(sender, (PLAYBACK_FINISHED, report))

    def moved(self, sender: str) -> None:
        """It came or left: what waits for its answer waits for another one's."""
        told = self._senders.get(sender)
        if told is not None and told.answering is not None:
            told.answering.reschedule(asyncio.get_running_loop().time())

    def _tell(self, sender: str, call: _Call) -> None:
        if sender not in self._senders:
            self._senders[sender] = _Sender(sender)
            self._new.put_nowait(self._senders[sender])
        try:
            self._senders[sender].untold.put_nowait(call)
        except asyncio.QueueFull:
            log.warning("a sender does not answer: report dropped, %s", call[0])

    async def run(self, me: Caller) -> None:
        """Tell, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                sender = await self._new.get()
                group.create_task(self._tell_one(me, sender), name="reports")

    async def told(self) -> None:
        """Until nobody has to be told anything."""
        for sender in list(self._senders.values()):
            await sender.untold.join()

    async def _tell_one(self, me: Caller, sender: _Sender) -> None:
        while True:
            call = await sender.untold.get()
            # Many senders do not take a start: that is no fault of theirs.
            tries, wait_s = TRIES, ANSWER_S
            if call[0] == PLAYBACK_STARTED:
                tries, wait_s = 1, STARTED_S
            for _ in range(tries):
                if not self._present(sender.identity):
                    break
                if await self._called(me, sender, call, wait_s):
                    break
                if call[0] != PLAYBACK_STARTED:
                    await asyncio.sleep(APART_S)
            sender.untold.task_done()

    async def _called(
        self, me: Caller, sender: _Sender, call: _Call, wait_s: float
    ) -> bool:
        method, payload = call
        log.debug("> %s", method)
        try:
            async with asyncio.timeout(wait_s) as sender.answering:
                await me.perform_rpc(
                    destination_identity=sender.identity, method=method, payload=payload
                )
        except (rtc.RpcError, TimeoutError) as failed:
            level = logging.DEBUG if method == PLAYBACK_STARTED else logging.INFO
            log.log(level, "a sender was not told, method=%s: %s", method, failed)
            return False
        finally:
            sender.answering = None
        return True
