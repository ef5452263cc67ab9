"""Long steps: how much of a turn of the event loop they get, and in which order."""

import asyncio
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.long_steps import LongSteps
from tests.virtual import VirtualLoop, run

LIMIT_S = 0.5
TURNS_OF_A_TEST = 150
DURATIONS_S = st.sampled_from([0.0, 0.125, 0.25, 0.75, 2.0])
TURNS = st.integers(0, 6)  # of the loop, to wait before something is done


@dataclass(frozen=True)
class Step:
    """Step of a test: a callback or a task, that may be cancelled while it waits."""

    kind: str
    after: int
    takes_s: float
    cancelled_after: int | None


STEPS = st.builds(
    Step,
    st.sampled_from(["callback", "task", "now or later"]),
    TURNS,
    DURATIONS_S,
    st.none() | TURNS,
)


class Bench:
    """Loop whose turns are counted, with the long steps that ran in each."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self._loop = loop
        self.steps = LongSteps(LIMIT_S, loop.time)
        self.turn = 0
        self.ran: list[tuple[int, Step]] = []  # with the turn
        self.asked: list[Step] = []
        self._tick()

    def _tick(self) -> None:
        self.turn += 1
        if self.turn < TURNS_OF_A_TEST:
            self._loop.call_soon(self._tick)

    def work(self, step: Step) -> None:
        self.ran.append((self.turn, step))
        self._loop.block(step.takes_s)

    async def act(self, step: Step) -> None:
        for _ in range(step.after):
            await asyncio.sleep(0)
        self.asked.append(step)
        if step.kind == "task":
            await self.steps.wait()
        elif step.kind == "callback" or not self.steps.begin():
            self.steps.later(lambda: self.work(step))
            return
        self.work(step)


async def ran(script: list[Step]) -> Bench:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        for step in script:
            task = group.create_task(bench.act(step))
            if step.cancelled_after is not None:
                group.create_task(cancel(task, step.cancelled_after))
    for _ in range(TURNS_OF_A_TEST):
        await asyncio.sleep(0)
    return bench


async def cancel(task: asyncio.Task[None], after: int) -> None:
    for _ in range(after):
        await asyncio.sleep(0)
    task.cancel()


@given(st.lists(STEPS, max_size=12))
def test_a_turn_has_long_steps_for_the_limit_and_the_last_of_them(script):
    bench = run(ran(script), debug=False)
    for turn in range(bench.turn + 1):
        took_s = [step.takes_s for at, step in bench.ran if at == turn]
        assert sum(took_s[:-1]) < LIMIT_S


@given(st.lists(STEPS, max_size=12))
def test_every_step_runs_once_in_the_order_of_the_askers(script):
    bench = run(ran(script), debug=False)
    done = [id(step) for _, step in bench.ran]
    asked = [step for step in bench.asked if id(step) in set(done)]
    assert done == [id(step) for step in asked]
    assert len(set(done)) == len(done)
    for step in bench.asked:
        can_be_cancelled = step.kind == "task" and step.cancelled_after is not None
        assert can_be_cancelled or id(step) in done


def test_in_a_quiet_loop_nothing_is_waited_for():
    async def main():
        bench = Bench()
        before = bench.turn
        await bench.steps.wait()
        assert bench.turn == before
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert bench.steps.begin()

    run(main())


def test_a_step_that_fails_stops_no_other():
    async def main():
        steps, ran = LongSteps(), []

        def fail() -> None:
            raise ValueError("a step failed")

        steps.later(fail)
        steps.later(lambda: ran.append("after it"))
        loop = asyncio.get_running_loop()
        for _ in range(4):
            await asyncio.sleep(0)
        assert ran == ["after it"]
        assert isinstance(loop, VirtualLoop)
        [failure] = loop.failures
        loop.failures.clear()
        assert isinstance(failure["exception"], ValueError)

    run(main())
