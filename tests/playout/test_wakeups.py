"""Wake-ups of the loops, in virtual time."""

import asyncio

import pytest

from lite_gateway.playout.wakeups import Wakeup
from tests.virtual import run


def test_a_wait_ends_when_it_is_set_or_after_its_time():
    async def main() -> list[float]:
        loop, wakeup, ends = asyncio.get_running_loop(), Wakeup(), []
        wakeup.set()  # nobody waits: it counts from the next wait on
        await wakeup.wait(0.5)
        ends.append(loop.time())
        loop.call_later(0.2, wakeup.set)
        loop.call_later(0.2, wakeup.set)
        await wakeup.wait(0.5)
        ends.append(loop.time())
        await wakeup.wait(0.0)
        ends.append(loop.time())
        await wakeup.wait(1.0)
        ends.append(loop.time())
        return ends

    assert run(main()) == pytest.approx([0.5, 0.7, 0.7, 1.7])


def test_a_wait_that_is_cancelled_leaves_nothing_behind():
    async def main() -> float:
        loop, wakeup = asyncio.get_running_loop(), Wakeup()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(wakeup.wait(5.0))
            await asyncio.sleep(0.1)
            task.cancel()
        wakeup.set()
        await wakeup.wait(1.0)
        return loop.time()

    assert run(main()) == pytest.approx(1.1)
