"""The one door to the renderer: many sessions' single frames into one call."""

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

_Waiting = tuple[RenderJob, asyncio.Future[VideoFrame]]


class Batcher:
    """
    One thread renders; while it works the next batch gathers.

    Load makes batches, never a timer.  A session waits for one frame at a time, so
    the queue holds at most one job a session.
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
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue()

    async def frame(self, job: RenderJob) -> VideoFrame:
        """The picture of one job. Cancelling the caller withdraws the job."""
        done: asyncio.Future[VideoFrame] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((job, done))
        return await done

    async def run(self) -> None:
        """Render until cancelled."""
        thread = pool(1, "render")
        try:
            while True:
                await self._run_batch(thread, await self._gather())
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    async def _gather(self) -> list[_Waiting]:
        batch = [await self._waiting.get()]
        while len(batch) < self._max_batch and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        return [(job, done) for job, done in batch if not done.done()]

    async def _run_batch(
        self, thread: ThreadPoolExecutor, batch: list[_Waiting]
    ) -> None:
        if not batch:
            return
        jobs = [job for job, _ in batch]
        loop = asyncio.get_running_loop()
        began_s = time.perf_counter()
        try:
            pictures = await loop.run_in_executor(thread, self._render, jobs)
        except Exception:  # boundary: one bad job must not stop the others
            await self._split(thread, batch)
            return
        self._metrics.render.observe(time.perf_counter() - began_s)
        self._metrics.batch_size.observe(len(jobs))
        for (_, done), picture in zip(batch, pictures, strict=True):
            if not done.done():
                done.set_result(picture)

    async def _split(self, thread: ThreadPoolExecutor, batch: list[_Waiting]) -> None:
        """A batch failed: each job gets its own try, the bad one its error."""
        if len(batch) > 1:
            for item in batch:
                await self._run_batch(thread, [item])
            return
        log.exception("a frame could not be rendered")
        for _, done in batch:
            if not done.done():
                done.set_exception(RenderFailed("the frame could not be rendered"))
