"""Threads that work for the event loop."""

import asyncio
import threading
from pathlib import Path

import pytest

from lite_gateway.threads import Workers
from tests.waiting import PATIENCE_S, until


def running(workers_test):
    async def main():
        workers = Workers(1, "a worker of a test")
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await workers_test(workers)
        finally:
            workers.close()

    return asyncio.run(main())


def test_results_and_errors_come_back_in_order():
    async def work(workers):
        results = [workers.run(lambda n=n: 10 // n) for n in (5, 0, 2)]
        await asyncio.wait(results)
        return [future.exception() or future.result() for future in results]

    first, error, last = running(work)
    assert (first, last) == (2, 5)
    assert isinstance(error, ZeroDivisionError)


def test_the_threads_have_their_name_in_the_system():
    def name() -> str:
        thread = threading.get_native_id()
        return Path(f"/proc/self/task/{thread}/comm").read_text().strip()

    async def work(workers):
        return await workers.run(name)

    assert running(work) == "a worker of a test"[:15]


def test_work_that_was_cancelled_before_its_turn_is_not_done():
    done, gate = [], threading.Event()

    async def work(workers):
        first = workers.run(lambda: gate.wait(PATIENCE_S))
        cancelled = workers.run(lambda: done.append("cancelled"))
        last = workers.run(lambda: done.append("last"))
        cancelled.cancel()
        gate.set()
        await asyncio.wait((first, last))

    running(work)
    assert done == ["last"]


def test_a_caller_that_is_cancelled_leaves_its_work_running():
    done, begun, gate = [], threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gate.wait(PATIENCE_S)
        done.append("slow")

    async def work(workers):
        future = workers.run(slow)
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        gate.set()
        return await workers.run(lambda: "next")

    assert running(work) == "next"
    assert done == ["slow"]


def test_closed_workers_end_when_their_work_is_done():
    name = "workers of a test that end"

    async def main() -> list[int]:
        workers = Workers(2, name)
        results = [workers.run(lambda n=n: n) for n in range(4)]
        workers.close()
        return [await result for result in results]

    assert asyncio.run(main()) == [0, 1, 2, 3]
    until(lambda: name not in {thread.name for thread in threading.enumerate()})
