"""Batcher: one render call for the frames of many sessions."""

import asyncio
import threading

import numpy as np
import pytest

from lite_gateway.errors import RenderFailed
from lite_gateway.metrics import Metrics
from lite_gateway.playout.batcher import Batcher
from renderer.frames import FrameRequest, VideoFrame

PATIENCE_S = 600.0  # other tests may have all processors for long


def _frame(request: FrameRequest) -> VideoFrame:
    return VideoFrame(2, 2, np.full(6, request.index, np.uint8))


class _Job:
    def __init__(self, index: int, turn: int = 0) -> None:
        self.request = FrameRequest(index, 0.0, "idle", turn)


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


def test_only_passes_that_are_measured_read_the_clock_in_their_own_thread():
    threads, times_s = [], iter([10.0, 10.025])

    def clock() -> float:
        threads.append(threading.current_thread())
        return next(times_s)

    async def main():
        batcher = Batcher(
            lambda jobs: [_frame(job.request) for job in jobs], Metrics(), clock=clock
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(batcher.run())
            await batcher.frame(_Job(0))
            assert threads == []
            with batcher.measuring():
                frames = [group.create_task(batcher.frame(_Job(i))) for i in range(3)]
                await asyncio.wait(frames)
            await batcher.frame(_Job(0))
            running.cancel()
        return batcher

    batcher = asyncio.run(main())
    assert batcher.newest_pass.frames == 3
    assert batcher.newest_pass.took_s == pytest.approx(0.025)
    assert batcher.worked_s > 0
    assert len(threads) == 2
    assert threading.main_thread() not in threads


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


@pytest.mark.parametrize(
    "fault",
    [StopIteration(), asyncio.CancelledError(), SystemExit(1), MemoryError(), None],
    ids=repr,
)
def test_whatever_a_driver_does_only_its_frame_fails(fault):
    """
    StopIteration never arrives through a future; the others mean something to a loop.

    ``None``: the renderer returns no frame at all.
    """

    def render(jobs):
        if jobs[0].request.index == 0:
            if fault is None:
                return []
            raise fault
        return [_frame(job.request) for job in jobs]

    async def main() -> int:
        batcher = Batcher(render, Metrics())
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            running = group.create_task(batcher.run())
            with pytest.raises(RenderFailed):
                await batcher.frame(_Job(0))
            frame = await batcher.frame(_Job(1))
            running.cancel()
        return int(frame.i420[0])

    assert asyncio.run(main()) == 1


def test_frames_that_wait_fail_when_the_batcher_ends_and_a_restart_draws_again():
    rendering, gate = threading.Event(), threading.Event()

    def render(jobs):
        rendering.set()
        gate.wait(PATIENCE_S)
        return [_frame(job.request) for job in jobs]

    async def main() -> int:
        batcher = Batcher(render, Metrics())
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            running = group.create_task(batcher.run())
            rendered = group.create_task(_failure(batcher, 0))
            await asyncio.to_thread(rendering.wait, PATIENCE_S)
            queued = group.create_task(_failure(batcher, 1))
            await asyncio.sleep(0.01)
            assert 0 < batcher.stuck_s < PATIENCE_S
            running.cancel()
            assert "could not be rendered" in await rendered
            assert "could not be rendered" in await queued
            assert batcher.stuck_s == 0.0
            gate.set()
            again = group.create_task(batcher.run())
            frame = await batcher.frame(_Job(2))
            again.cancel()
        return int(frame.i420[0])

    assert asyncio.run(main()) == 2


async def _failure(batcher: Batcher, index: int) -> str:
    with pytest.raises(RenderFailed) as failed:
        await batcher.frame(_Job(index))
    return str(failed.value)


def test_a_driver_that_fails_is_seen_although_frames_without_speech_are_drawn(caplog):
    broken = True

    def render(jobs):
        if broken and any(job.request.turn for job in jobs):
            raise ValueError("the driver is broken")
        return [_frame(job.request) for job in jobs]

    async def main() -> None:
        nonlocal broken
        metrics = Metrics()
        batcher = Batcher(render, metrics)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            running = group.create_task(batcher.run())
            for _ in range(3):
                with pytest.raises(RenderFailed):
                    await batcher.frame(_Job(0, turn=1))
                await batcher.frame(_Job(1))
            assert batcher.failing_s > 0.0
            assert metrics.registry.get_sample_value("lite_frames_failed_total") == 3
            broken = False
            await batcher.frame(_Job(2, turn=1))
            assert batcher.failing_s == 0.0
            running.cancel()

    asyncio.run(main())
    assert caplog.text.count("ValueError: the driver is broken") == 1  # of three
