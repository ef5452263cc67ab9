"""
Recorder of transcripts: what users and avatars said, on its way to the database.

A line is queued in the call that adds it, so nothing that speaks waits for the
database. Lines that it does not take are dropped at last, and the log says so once.
"""

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import replace
from functools import partial

from lite_gateway.errors import StoreRejected, StoreUnavailable
from lite_gateway.metrics import Metrics
from lite_gateway.store import transcripts
from lite_gateway.store.engine import Store
from lite_gateway.store.models import now
from lite_gateway.store.transcripts import Role, TranscriptLine

log = logging.getLogger(__name__)

MAX_PENDING = 2_000  # queued lines; then the oldest is dropped
CLOSE_TIMEOUT_S = 2.0
_AT_ONCE = 50  # lines of one transaction
_RETRY_S = 2.0


class TranscriptRecorder:
    """
    Writer of the transcripts of all conversations of this gateway.

    With ``keep`` false (LITE_TRANSCRIPTS=off) nothing is queued and nothing written.
    """

    def __init__(self, store: Store, metrics: Metrics, *, keep: bool) -> None:
        self._store = store
        self._keep = keep
        self._pending: deque[TranscriptLine] = deque()
        self._wakeup = asyncio.Event()
        # Held while lines are written, so that no deletion comes between.
        self._writing = asyncio.Lock()
        self._dropped = metrics.transcript_lines_dropped
        self._overflow = 0  # lines dropped from a full queue since the last write

    def add(self, session_id: str, role: Role, text: str, at_s: float) -> None:
        """
        Queue the words of one turn; returns at once.

        ``at_s`` is their moment by the event loop's clock, `time.monotonic`.
        """
        if not self._keep or not text.strip():
            return
        age_s = asyncio.get_running_loop().time() - at_s
        at_ms = transcripts.unix_ms(now()) - round(age_s * 1000)
        self._pending.append(TranscriptLine(session_id, role, text, at_ms))
        self._make_place()
        self._wakeup.set()

    async def delete(self, session_id: str) -> None:
        """Delete the lines of a session, queued ones too; raise the store's error."""
        async with self._writing:
            kept = [line for line in self._pending if line.session_id != session_id]
            self._pending = deque(kept)
            await self._store.run(lambda db: transcripts.delete_session(db, session_id))

    async def run(self) -> None:
        """Write lines when they are queued, until cancelled."""
        while True:
            await self._wakeup.wait()
            if not await self._flush():
                await asyncio.sleep(_RETRY_S)

    async def close(self) -> None:
        """Write what is queued within `CLOSE_TIMEOUT_S`, and drop the rest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._flush()
        if self._pending:
            self._drop(len(self._pending), "closed", "the gateway stops")
            self._pending.clear()

    async def _flush(self) -> bool:
        """Write what is queued; return False if the database is away."""
        self._wakeup.clear()
        at_once = _AT_ONCE
        while self._pending:
            async with self._writing:
                count = min(at_once, len(self._pending))
                lines = [self._pending.popleft() for _ in range(count)]
                try:
                    await self._store.run(partial(transcripts.add, lines=lines))
                except StoreRejected as error:
                    if count == 1:
                        self._drop(1, error.reason, error)
                    else:
                        self._requeue(lines)
                        at_once = 1  # only the line that is refused is to be lost
                except BaseException as error:
                    # The database may have taken them before the call was cancelled.
                    self._requeue([replace(line, may_be_stored=True) for line in lines])
                    if isinstance(error, StoreUnavailable):
                        return False
                    raise
                else:
                    self._report_end_of_overflow()
        return True

    def _requeue(self, lines: list[TranscriptLine]) -> None:
        self._pending.extendleft(reversed(lines))
        self._wakeup.set()

    def _drop(self, count: int, reason: str, cause: object) -> None:
        self._dropped.labels(reason).inc(count)
        log.error(
            "transcript lines dropped, lines=%d reason=%s: %s", count, reason, cause
        )

    def _make_place(self) -> None:
        """Drop the oldest lines of a full queue. The first drop is logged."""
        while len(self._pending) > MAX_PENDING:
            self._pending.popleft()
            if self._overflow:
                self._dropped.labels("full").inc()
            else:
                self._drop(1, "full", "the database is away; more will be dropped")
            self._overflow += 1

    def _report_end_of_overflow(self) -> None:
        if self._overflow:
            log.warning("transcripts are written again, dropped=%d", self._overflow)
        self._overflow = 0
