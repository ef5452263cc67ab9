"""Batcher: one render call for the frames of many sessions."""

import asyncio
import threading

import numpy as np

from lite_gateway.errors import RenderFailed
from lite_gateway.metrics import Metrics
from lite_gateway.playout.batcher import Batcher
from renderer.frames import FrameRequest, VideoFrame
from tests.waiting import PATIENCE_S


def _frame(request: FrameRequest) -> VideoFrame:
    return VideoFrame(2, 2, np.full(6, request.index, np.uint8))


class _Job:
    def __init__(self, index: int) -> None:
        self.request = FrameRequest(index, 0.0, "idle")


def test_jobs_that_arrive_while_a_batch_renders_form_the_next_batch():
    sizes = []
    rendering, gate = threading.Event(), threading.Event()

    def render(jobs):
        sizes.append(len(jobs))
        rendering.set()
        gate.wait(PATIENCE_S)
        return [_frame(job.request) for job in jobs]

    async def main():
        batcher = Batcher(render, Metrics())
        async with asyncio.TaskGroup() as group:
            running = group.create_task(batcher.run())
            first = group.create_task(batcher.frame(_Job(0)))
            await asyncio.to_thread(rendering.wait, PATIENCE_S)
            rest = [group.create_task(batcher.frame(_Job(i))) for i in (1, 2, 3)]
            await asyncio.sleep(0)  # until all three are queued
            gate.set()
            frames = [await task for task in (first, *rest)]
            running.cancel()
        return [int(frame.i420[0]) for frame in frames]

    assert asyncio.run(main()) == [0, 1, 2, 3]
    assert sizes == [1, 3]


def test_one_bad_job_fails_alone():
    def render(jobs):
        if any(job.request.index == 2 for job in jobs):
            raise ValueError("this job cannot be rendered")
        return [_frame(job.request) for job in jobs]

    async def main():
        batcher = Batcher(render, Metrics())
        async with asyncio.TaskGroup() as group:
            running = group.create_task(batcher.run())

            async def result_of(index: int) -> int | str:
                try:
                    return int((await batcher.frame(_Job(index))).i420[0])
                except RenderFailed as error:
                    return str(error)

            tasks = [group.create_task(result_of(index)) for index in range(4)]
            results = [await task for task in tasks]
            running.cancel()
        return results

    assert asyncio.run(main()) == [0, 1, "the frame could not be rendered", 3]
