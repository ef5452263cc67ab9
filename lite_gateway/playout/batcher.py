"""Batcher of frames: renders the due frames of many sessions in one call."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from lite_gateway.errors import RenderFailed
from lite_gateway.metrics import Metrics
from lite_gateway.playout.pass_times import Pass
from lite_gateway.threads import Workers
from renderer.engine import RenderJob
from renderer.frames import VideoFrame

log = logging.getLogger(__name__)

LOG_INTERVAL_S = 5.0  # between two tracebacks: a bad driver fails 25 times a second

_PendingFrame = tuple[RenderJob, asyncio.Future[VideoFrame]]


class Batcher:
    """
    Queue in front of the one thread that calls the renderer.

    While the thread renders a batch, jobs gather for the next batch.  No timer delays a
    batch.  A session waits for one frame at a time, so the queue holds at most one
    job per session.
    """

    def __init__(
        self,
        render: Callable[[Sequence[RenderJob]], Sequence[VideoFrame]],
        metrics: Metrics,
        *,
        max_batch: int = 64,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``clock`` measures `newest_pass`, in the thread that renders."""
        self._render = render
        self._metrics = metrics
        self._max_batch = max_batch
        self._clock = clock
        self._pending: asyncio.Queue[_PendingFrame] = asyncio.Queue()
        self._batch: list[_PendingFrame] = []  # being rendered
        self._started_s: float | None = None  # since when
        self.worked_s = 0.0  # time in which batches were rendered, in all
        self.newest_pass = Pass(0, 0.0)  # while they are measured
        self._measured = False
        # Since when every frame has failed that has speech (True) or has none (False):
        # only speech needs the driver.
        self._failing_since_s: dict[bool, float] = {}
        self._logged_s = -math.inf  # when the last failure was logged

    async def frame(self, job: RenderJob) -> VideoFrame:
        """
        Return the frame of one job, or raise `RenderFailed`.

        Cancelling the caller withdraws the job.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[VideoFrame] = loop.create_future()
        self._pending.put_nowait((job, future))
        return await future

    @property
    def stuck_s(self) -> float:
        """Time that the batch being rendered has taken so far; 0 if there is none."""
        if self._started_s is None:
            return 0.0
        return time.monotonic() - self._started_s

    @property
    def failing_s(self) -> float:
        """Time for which each frame of speech, or each other one, has failed; or 0."""
        if not self._failing_since_s:
            return 0.0
        return time.monotonic() - min(self._failing_since_s.values())

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """
        Keep `newest_pass` meanwhile.

        Not always: where a thread reads its processor time, Linux also looks whether
        its turn is over, as it often is after a pass. Another process would then run
        while this thread holds Python's lock, which the event loop needs.
        """
        self._measured = True
        try:
            yield
        finally:
            self._measured = False

    async def run(self) -> None:
        """Render until cancelled. At the end, every frame that waits fails."""
        thread = Workers(1, "render")
        try:
            while True:
                self._batch = await self._gather()
                await self._run_batch(thread, self._batch)
        finally:
            thread.close()
            while not self._pending.empty():
                self._batch.append(self._pending.get_nowait())
            _fail(self._batch)
            self._batch, self._started_s = [], None

    async def _gather(self) -> list[_PendingFrame]:
        batch = [await self._pending.get()]
        while len(batch) < self._max_batch and not self._pending.empty():
            batch.append(self._pending.get_nowait())
        return [(job, future) for job, future in batch if not future.done()]

    async def _run_batch(self, thread: Workers, batch: list[_PendingFrame]) -> None:
        if not batch:
            return
        jobs = [job for job, _ in batch]
        self._started_s = started_s = time.monotonic()
        try:
            frames = await thread.run(partial(self._render_all, jobs))
        except RenderFailed:  # one bad job must not stop the others
            await self._split(thread, batch)
            return
        finally:
            self._started_s = None
        if self._failing_since_s:
            for job in jobs:
                self._failing_since_s.pop(bool(job.request.turn), None)
        took_s = time.monotonic() - started_s
        self.worked_s += took_s
        self._metrics.render.observe(took_s)
        self._metrics.batch_size.observe(len(jobs))
        for (_, future), frame in zip(batch, frames, strict=True):
            if not future.done():
                future.set_result(frame)

    def _render_all(self, jobs: Sequence[RenderJob]) -> Sequence[VideoFrame]:
        """
        Render in the thread; raise `RenderFailed` for anything that goes wrong.

        A driver may raise what means something else to the event loop: StopIteration
        would never arrive, and CancelledError or KeyboardInterrupt would end the loop.
        """
        started_s = self._clock() if self._measured else None
        try:
            frames = self._render(jobs)
        except BaseException as error:  # boundary: code of others, see above
            raise RenderFailed("the frame could not be rendered") from error
        if len(frames) != len(jobs):
            raise RenderFailed(f"{len(jobs)} frames requested, {len(frames)} rendered")
        if started_s is not None:
            self.newest_pass = Pass(len(jobs), self._clock() - started_s)
        return frames

    async def _split(self, thread: Workers, batch: list[_PendingFrame]) -> None:
        """Render each job of a failed batch alone; only the bad ones raise."""
        if len(batch) > 1:
            for pending in batch:
                await self._run_batch(thread, [pending])
            return
        now_s = time.monotonic()
        if now_s - self._logged_s >= LOG_INTERVAL_S:
            self._logged_s = now_s
            log.exception("a frame could not be rendered")
        self._metrics.frames_failed.inc()
        [(job, _)] = batch
        self._failing_since_s.setdefault(bool(job.request.turn), now_s)
        _fail(batch)


def _fail(batch: list[_PendingFrame]) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(RenderFailed("the frame could not be rendered"))
