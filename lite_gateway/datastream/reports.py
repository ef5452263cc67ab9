"""What senders are told, by RPC: each in order, and none can hold up another."""

import asyncio
import logging

from livekit import rtc

from protocol.datastream import (
    PLAYBACK_FINISHED,
    PLAYBACK_STARTED,
    playback_finished,
)

log = logging.getLogger(__name__)

UNTOLD_MAX = 256  # reports that one sender may leave unanswered
TRIES, APART_S = 3, 0.1
STARTED_S = 0.5  # news of a start is worthless later
_GONE = (
    rtc.RpcError.ErrorCode.RECIPIENT_NOT_FOUND,
    rtc.RpcError.ErrorCode.RECIPIENT_DISCONNECTED,
)

_Call = tuple[str, str]  # method, payload


class Reports:
    def __init__(self) -> None:
        self._untold: dict[str, asyncio.Queue[_Call]] = {}
        self._new: asyncio.Queue[str] = asyncio.Queue()  # senders; few

    def started(self, sender: str) -> None:
        self._tell(sender, (PLAYBACK_STARTED, ""))

    def finished(self, sender: str, samples: int, *, interrupted: bool) -> None:
        report = playback_finished(samples, interrupted=interrupted)
        self._tell(sender, (PLAYBACK_FINISHED, report))

    def _tell(self, sender: str, call: _Call) -> None:
        if sender not in self._untold:
            self._untold[sender] = asyncio.Queue(UNTOLD_MAX)
            self._new.put_nowait(sender)
        try:
            self._untold[sender].put_nowait(call)
        except asyncio.QueueFull:
            log.warning("a sender does not answer: report dropped, %s", call[0])

    async def run(self, me: rtc.LocalParticipant) -> None:
        """Tell, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                sender = await self._new.get()
                group.create_task(self._tell_one(me, sender), name="reports")

    async def told(self) -> None:
        """Until nobody has to be told anything."""
        for untold in list(self._untold.values()):
            await untold.join()

    async def _tell_one(self, me: rtc.LocalParticipant, sender: str) -> None:
        untold = self._untold[sender]
        while True:
            method, payload = await untold.get()
            log.debug("> %s", method)
            if method == PLAYBACK_STARTED:
                await _call_once(me, sender, method)
            else:
                await _call(me, sender, method, payload)
            untold.task_done()


async def _call_once(me: rtc.LocalParticipant, sender: str, method: str) -> None:
    """Many senders do not take this call: that is no fault of theirs."""
    try:
        async with asyncio.timeout(STARTED_S):
            await me.perform_rpc(destination_identity=sender, method=method, payload="")
    except (rtc.RpcError, TimeoutError) as failed:
        log.debug("! %s: %s", method, failed)


async def _call(
    me: rtc.LocalParticipant, sender: str, method: str, payload: str
) -> None:
    for last in (False,) * (TRIES - 1) + (True,):
        try:
            await me.perform_rpc(
                destination_identity=sender, method=method, payload=payload
            )
        except rtc.RpcError as failed:
            if last or failed.code in _GONE:
                log.info("a sender could not be told, method=%s: %s", method, failed)
                return
            await asyncio.sleep(APART_S)
        else:
            return
