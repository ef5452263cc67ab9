"""Supervision: a task that fails is restarted, or the process ends; nothing else."""

import asyncio
import itertools

import pytest

from lite_gateway import supervisor
from lite_gateway.metrics import Metrics
from lite_gateway.supervisor import (
    END_PROCESS,
    ESSENTIAL,
    HEALTHY_S,
    MAX_BACKOFF_S,
    RESTART,
    UNTIL_DONE,
    IsolatedTasks,
    Policy,
    Supervisor,
)
from tests.virtual import run

FAULTS = [
    IndexError("."),
    MemoryError(),
    asyncio.CancelledError(),
    ExceptionGroup("", [OSError(24, "")]),
]


def restarts(metrics: Metrics, task: str) -> float | None:
    return metrics.registry.get_sample_value("lite_task_restarts_total", {"task": task})


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_a_task_that_fails_is_restarted_and_its_neighbour_goes_on(fault):
    starts, beats, metrics = [], [], Metrics()

    async def fails_twice() -> None:
        starts.append(asyncio.get_running_loop().time())
        if len(starts) < 3:
            raise fault
        await asyncio.Event().wait()

    async def neighbour() -> None:
        while True:
            beats.append(asyncio.get_running_loop().time())
            await asyncio.sleep(1)

    async def main() -> None:
        async with Supervisor(metrics).running() as running:
            running.add("bad", fails_twice, RESTART)
            running.add("good", neighbour, RESTART)
            await asyncio.sleep(9.5)
            assert running.failure is None
            assert not running.restarting

    run(main())
    assert starts == pytest.approx([0.0, 0.1, 0.3])
    assert len(beats) == 10
    assert (restarts(metrics, "bad"), restarts(metrics, "good")) == (2, 0)


def test_the_back_off_grows_to_its_maximum_and_shrinks_after_a_healthy_run():
    starts = []

    async def fails() -> None:
        starts.append(asyncio.get_running_loop().time())
        if len(starts) == 15:
            await asyncio.sleep(HEALTHY_S)
        raise OSError("again")

    async def main() -> None:
        async with Supervisor(Metrics()).running() as running:
            running.add("bad", fails, RESTART)
            await asyncio.sleep(1)
            assert running.restarting == {"bad"}
            await asyncio.sleep(1000)
            assert running.failure is None

    run(main())
    pauses = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert pauses[:3] == pytest.approx([0.1, 0.2, 0.4])
    assert max(pauses[:14]) == pytest.approx(MAX_BACKOFF_S)
    assert pauses[14] == pytest.approx(HEALTHY_S + supervisor.MIN_BACKOFF_S)


@pytest.mark.parametrize(("policy", "runs"), [(END_PROCESS, 1), (ESSENTIAL, 7)])
def test_a_task_that_may_not_fail_again_ends_the_process(policy, runs):
    starts = []

    async def fails() -> None:
        starts.append(1)
        raise IndexError("tuple index out of range")

    async def main() -> tuple[str, set[str]]:
        async with Supervisor(Metrics()).running() as running:
            running.add("core", fails, policy)
            async with asyncio.timeout(600):
                return await running.failed(), running.restarting

    text, down = run(main())
    assert "'core' failed" in text
    assert down == {"core"}
    assert len(starts) == runs


def test_a_return_is_a_failure_unless_the_policy_allows_it():
    metrics = Metrics()

    async def returns() -> None:
        pass

    async def main() -> None:
        async with Supervisor(metrics).running() as running:
            once = running.add("once", returns, UNTIL_DONE)
            running.add("never", returns, RESTART)
            await asyncio.sleep(0.05)
            assert once.done()
            assert running.restarting == {"never"}

    run(main())
    assert (restarts(metrics, "once"), restarts(metrics, "never")) == (0, 1)


def test_a_task_that_is_cancelled_from_outside_is_not_restarted():
    metrics = Metrics()

    async def main() -> None:
        async with Supervisor(metrics).running() as running:
            task = running.add("waits", asyncio.Event().wait, RESTART)
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.sleep(1)
            assert task.cancelled()

    run(main())
    assert restarts(metrics, "waits") == 0


def test_a_task_of_a_session_that_fails_ends_alone(caplog):
    async def fails() -> None:
        raise AttributeError("'list' object has no attribute 'get'")

    async def goes_on() -> str:
        await asyncio.sleep(5)
        return "spoken"

    async def main() -> list[str | None]:
        async with IsolatedTasks() as group:
            neighbour = group.create_task(goes_on(), name="session 2")
            failed = group.create_task(fails(), name="session 1")
        return [failed.result(), neighbour.result()]

    assert run(main()) == [None, "spoken"]
    assert "task failed, task=session 1" in caplog.text
    assert "AttributeError" in caplog.text


def test_tasks_that_are_left_at_the_end_can_be_cancelled():
    async def main() -> asyncio.Task:
        async with IsolatedTasks() as group:
            stuck = group.create_task(asyncio.Event().wait(), name="stuck")
            await asyncio.sleep(1)
            group.cancel()
        return stuck

    assert run(main()).cancelled()


def test_a_policy_can_let_the_first_restart_wait_for_longer():
    starts = []

    async def fails() -> None:
        starts.append(asyncio.get_running_loop().time())
        raise OSError("a fault of the test")

    async def main() -> None:
        async with Supervisor(Metrics()).running() as running:
            running.add("child", fails, Policy(first_restart_s=1.0))
            await asyncio.sleep(100)

    run(main())
    assert starts == [0, 1, 3, 7, 15, 31, 61, 91]
