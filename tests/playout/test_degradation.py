"""Degradation: periods in, a level out, for any load and any machine."""

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.playout.degradation import (
    GROUPS,
    HOLD_S,
    LATE_PERIODS,
    MAX_HOLD_S,
    PERIOD_S,
    Degradation,
    Period,
    demand_at,
    group_of,
)
from renderer.frames import POSES

FPS = 25


@dataclass
class Machine:
    """
    Machine that renders ``capacity`` frames a second; more are late.

    With ``render_thread`` False something else than the render thread is too slow, such
    as an encoder, which the share of busy time does not show.
    """

    capacity: float
    render_thread: bool = True
    levels: list[int] = field(default_factory=lambda: [0])  # after each period
    degradation: Degradation = field(default_factory=Degradation)

    def run(self, seconds: float, sessions: tuple[int, ...]) -> None:
        for _ in range(round(seconds / PERIOD_S)):
            wanted = demand_at(self.degradation.level, sessions) * FPS
            late_share = max(0.0, 1 - self.capacity / wanted)
            busy = min(1.0, wanted / self.capacity) if self.render_thread else 0.1
            frames = max(1, round(wanted * PERIOD_S))
            late = round(late_share * frames)
            self.degradation.observe(Period(PERIOD_S, frames, late, busy, sessions))
            self.levels.append(self.degradation.level)

    def changes(self) -> list[tuple[int, int]]:
        """Return the period and the step of each change of the level."""
        pairs = zip(self.levels, self.levels[1:], strict=False)
        return [
            (at, after - before)
            for at, (before, after) in enumerate(pairs)
            if after != before
        ]


loads = st.tuples(*[st.integers(0, 6)] * len(GROUPS)).filter(any)
machines = st.builds(Machine, st.floats(5, 400), st.booleans())


def test_every_pose_has_a_group():
    assert {group_of(pose) for pose in POSES} == set(GROUPS)


def test_idle_faces_are_halved_first_then_listening_ones_then_all():
    machine = Machine(capacity=1)
    machine.run(3.0, (1, 1, 1))
    assert machine.levels[::LATE_PERIODS] == [0, 1, 2, 3]


def test_a_machine_that_is_late_for_a_second_is_relieved():
    machine = Machine(capacity=60)
    machine.run(1.0, (3, 0, 0))
    assert machine.levels[-1] == 1
    machine.run(60.0, (3, 0, 0))
    assert machine.levels[-1] == 1  # 38 frames a second are in time, 75 would not be


def test_one_hiccup_changes_nothing():
    degradation = Degradation()
    for number in range(200):
        late = 5 if number % 8 < LATE_PERIODS - 1 else 0  # three periods of eight
        degradation.observe(Period(PERIOD_S, 6, late, 0.5, (1, 0, 0)))
        assert degradation.level == 0


def test_a_level_that_would_change_nothing_is_skipped():
    machine = Machine(capacity=20)
    machine.run(1.0, (0, 0, 1))  # only a talking face: levels 1 and 2 do not help
    assert machine.levels[-1] == 3
    machine.capacity = 100
    machine.run(HOLD_S, (0, 0, 1))
    assert machine.levels[-1] == 0


@pytest.mark.parametrize("render_thread", [True, False])
def test_a_machine_that_stays_too_slow_is_tried_again_more_and_more_rarely(
    render_thread,
):
    machine = Machine(capacity=30, render_thread=render_thread)
    machine.run(600, (2, 0, 0))
    falls = [at * PERIOD_S for at, step in machine.changes() if step < 0]
    assert falls, "the level is never tried again"
    assert len(falls) <= 2 + 600 / MAX_HOLD_S
    gaps_s = [after - before for before, after in itertools.pairwise(falls)]
    assert all(gap_s >= HOLD_S for gap_s in gaps_s)
    assert gaps_s[-1] >= MAX_HOLD_S


def test_a_machine_on_which_some_frames_are_always_late_is_tried_again():
    machine = Machine(capacity=1)
    machine.run(1.0, (2, 0, 0))
    assert machine.levels[-1] == 1
    for number in range(round(MAX_HOLD_S / PERIOD_S)):  # every third period is late
        period = Period(PERIOD_S, 6, number % 3 == 0, 0.3, (2, 0, 0))
        machine.degradation.observe(period)
    assert machine.degradation.level == 0


@given(machines, st.lists(st.tuples(st.floats(1, 40), loads), min_size=1, max_size=8))
def test_the_level_never_flaps(machine, script):
    for seconds, sessions in script:
        machine.run(seconds, sessions)
    changes = machine.changes()
    for (at, _), (after, step) in itertools.pairwise(changes):
        least_s = LATE_PERIODS * PERIOD_S if step > 0 else HOLD_S
        assert (after - at) * PERIOD_S >= least_s
    assert set(machine.levels) <= set(range(len(GROUPS) + 1))


@given(machines, loads)
def test_a_late_machine_is_in_time_again_if_half_the_frames_are_enough(
    machine, sessions
):
    machine.run(len(GROUPS) * LATE_PERIODS * PERIOD_S, sessions)
    level = machine.levels[-1]
    if demand_at(len(GROUPS), sessions) * FPS <= machine.capacity:
        frames = demand_at(level, sessions) * FPS
        # Up to one late frame in twenty, and no whole frame of a period, is tolerated.
        assert frames * (1 - 0.05) - 2 / PERIOD_S <= machine.capacity
    lower = [demand_at(below, sessions) * FPS for below in range(level)]
    assert all(frames > machine.capacity for frames in lower)


@given(machines, loads, loads)
def test_all_faces_have_their_full_rate_again_when_there_is_time(
    machine, sessions, later
):
    machine.run(30, sessions)
    machine.capacity = 10_000
    machine.run(len(GROUPS) * (MAX_HOLD_S + PERIOD_S), later)
    assert machine.levels[-1] == 0
