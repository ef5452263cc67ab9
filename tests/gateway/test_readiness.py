"""Readiness: one answer within its deadline, whatever hangs, and few checks."""

import asyncio

import pytest

from lite_gateway.metrics import Metrics
from lite_gateway.readiness import CACHE_S, DEADLINE_S, PERIOD_S, Dependency, Readiness
from lite_gateway.supervisor import IsolatedTasks
from tests.virtual import run

FAULT = "LiveKit does not answer; see the log"


class Outside:
    """Dependency that answers at once, fails, or hangs until it is released."""

    def __init__(self) -> None:
        self.checks = self.running = 0
        self.details: str | None = None
        self.error: Exception | None = None
        self.released = asyncio.Event()
        self.released.set()

    async def check(self) -> str | None:
        self.checks += 1
        self.running += 1
        try:
            await self.released.wait()
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        return self.details


class ReadinessFixture:
    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.metrics = Metrics()
        self.own_fault: str | None = None
        self.livekit, self.database = Outside(), Outside()
        self.readiness = Readiness(
            group,
            self.metrics,
            lambda: self.own_fault,
            (
                Dependency("livekit", self.livekit.check, FAULT),
                Dependency("database", self.database.check, "no database"),
            ),
        )

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def readiness_test(test):
    """Run a test with a fixture, in virtual time."""

    def wrapped(*args) -> None:
        async def main() -> None:
            async with IsolatedTasks() as group:
                await test(ReadinessFixture(group), *args)
                group.cancel()

        run(main())

    wrapped.__name__ = test.__name__
    return wrapped


async def timed(readiness: Readiness) -> tuple[str | None, float]:
    loop = asyncio.get_running_loop()
    asked_s = loop.time()
    return await readiness.fault(), loop.time() - asked_s


@readiness_test
async def test_ready_needs_every_part(fixture):
    assert await fixture.readiness.fault() is None
    assert fixture.sample("lite_ready") == 1
    assert fixture.sample("lite_dependency_up", dependency="livekit") == 1
    fixture.own_fault = "all 8 session slots are in use"
    assert "slots" in await fixture.readiness.fault()  # what is inside is never old
    assert fixture.sample("lite_ready") == 0
    fixture.own_fault = None
    assert await fixture.readiness.fault() is None


@readiness_test
async def test_an_outside_thing_that_hangs_is_told_within_the_deadline(fixture):
    fixture.livekit.released.clear()
    fault, took_s = await timed(fixture.readiness)
    assert fault == FAULT
    assert took_s == pytest.approx(DEADLINE_S)
    assert fixture.sample("lite_dependency_up", dependency="livekit") == 0
    assert fixture.sample("lite_dependency_up", dependency="database") == 1


@readiness_test
async def test_both_may_hang_and_the_deadline_is_one(fixture):
    fixture.livekit.released.clear()
    fixture.database.released.clear()
    fault, took_s = await timed(fixture.readiness)
    assert fault == f"{FAULT}; no database"
    assert took_s == pytest.approx(DEADLINE_S)


@readiness_test
async def test_checks_that_hang_do_not_pile_up_and_recover(fixture):
    fixture.livekit.released.clear()
    for _ in range(10):
        assert (await timed(fixture.readiness))[0] == FAULT
        await asyncio.sleep(CACHE_S)
    assert (fixture.livekit.checks, fixture.livekit.running) == (1, 1)
    fixture.livekit.released.set()
    await asyncio.sleep(CACHE_S)
    assert await fixture.readiness.fault() is None


@readiness_test
async def test_a_flood_of_requests_costs_one_check_a_second(fixture):
    fixture.livekit.released.clear()
    async with asyncio.TaskGroup() as flood:
        asked = [flood.create_task(timed(fixture.readiness)) for _ in range(500)]
    assert {fault for fault, _ in map(asyncio.Task.result, asked)} == {FAULT}
    assert max(took_s for _, took_s in map(asyncio.Task.result, asked)) < 2.0
    assert fixture.livekit.checks == fixture.database.checks == 1


@readiness_test
async def test_a_request_that_is_given_up_leaves_the_next_one_an_answer(fixture):
    fixture.livekit.released.clear()
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(fixture.readiness.fault())
        await asyncio.sleep(0.5)
        gone.cancel()
    assert (await timed(fixture.readiness)) == (FAULT, pytest.approx(DEADLINE_S))
    assert fixture.livekit.checks == 1


def test_odd_answers_are_a_fault_that_is_logged_once(caplog):
    @readiness_test
    async def told(fixture):
        fixture.livekit.error = AttributeError("'list' object has no attribute 'get'")
        for _ in range(5):
            assert await fixture.readiness.fault() == FAULT
            await asyncio.sleep(CACHE_S)
        fixture.livekit.error = None
        assert await fixture.readiness.fault() is None

    told()
    assert caplog.text.count("livekit is not available: AttributeError") == 1
    assert "see the log" not in caplog.text


@readiness_test
async def test_the_metrics_are_right_although_nobody_asks(fixture):
    async with asyncio.TaskGroup() as group:
        running = group.create_task(fixture.readiness.run())
        await asyncio.sleep(1)
        assert fixture.sample("lite_ready") == 1
        fixture.database.details = "disk full"
        await asyncio.sleep(PERIOD_S)
        assert fixture.sample("lite_ready") == 0
        assert fixture.sample("lite_dependency_up", dependency="database") == 0
        running.cancel()


def test_no_check_begins_when_the_checks_have_ended():
    """The gateway ends, and the history may still be written for a while."""

    async def main() -> None:
        async with IsolatedTasks() as group:
            fixture = ReadinessFixture(group)
            assert await fixture.readiness.fault() is None
            fixture.readiness.close()
        await asyncio.sleep(PERIOD_S)
        assert await fixture.readiness.fault() is None
        assert fixture.livekit.checks == 1

    run(main())
