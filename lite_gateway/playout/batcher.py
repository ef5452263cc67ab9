"""Batcher of frames: renders the due frames of many sessions in one call."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from lite_gateway.errors import RenderFailed
from lite_gateway.metrics import Metrics
from lite_gateway.threads import pool
from renderer.engine import RenderJob
from renderer.frames import VideoFrame

log = logging.getLogger(__name__)

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
    ) -> None:
        self._render = render
        self._metrics = metrics
        self._max_batch = max_batch
        self._pending: asyncio.Queue[_PendingFrame] = asyncio.Queue()

    async def frame(self, job: RenderJob) -> VideoFrame:
        """
        Return the frame of one job, or raise `RenderFailed`.

        Cancelling the caller withdraws the job.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[VideoFrame] = loop.create_future()
        self._pending.put_nowait((job, future))
        return await future

    async def run(self) -> None:
        """Render until cancelled."""
        thread = pool(1, "render")
        try:
            while True:
                await self._run_batch(thread, await self._gather())
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    async def _gather(self) -> list[_PendingFrame]:
        batch = [await self._pending.get()]
        while len(batch) < self._max_batch and not self._pending.empty():
            batch.append(self._pending.get_nowait())
        return [(job, future) for job, future in batch if not future.done()]

    async def _run_batch(
        self, thread: ThreadPoolExecutor, batch: list[_PendingFrame]
    ) -> None:
        if not batch:
            return
        jobs = [job for job, _ in batch]
        loop = asyncio.get_running_loop()
        started_s = time.perf_counter()
        try:
            frames = await loop.run_in_executor(thread, self._render, jobs)
        except Exception:  # boundary: one bad job must not stop the others
            await self._split(thread, batch)
            return
        self._metrics.render.observe(time.perf_counter() - started_s)
        self._metrics.batch_size.observe(len(jobs))
        for (_, future), frame in zip(batch, frames, strict=True):
            if not future.done():
                future.set_result(frame)

    async def _split(
        self, thread: ThreadPoolExecutor, batch: list[_PendingFrame]
    ) -> None:
        """Render each job of a failed batch alone; only the bad ones raise."""
        if len(batch) > 1:
            for pending in batch:
                await self._run_batch(thread, [pending])
            return
        log.exception("a frame could not be rendered")
        for _, future in batch:
            if not future.done():
                future.set_exception(RenderFailed("the frame could not be rendered"))
