"""Clock of a job, which stands while others have the processor."""

import os

import pytest

from lite_gateway.avatar_jobs import waiting
from lite_gateway.avatar_jobs.waiting import JobClock, waited_s

NO_PROCESS = (1 << 22) + 1  # above the largest process id of Linux


@pytest.fixture
def clock(monkeypatch):
    """Return a function that reads a clock at a time, after so much waiting."""
    now = {"at_s": 100.0, "waited_s": 0.0}
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now["at_s"])
    monkeypatch.setattr(waiting, "waited_s", lambda _: now["waited_s"])
    running = JobClock(NO_PROCESS)

    def read(at_s: float, waited: float) -> JobClock:
        now.update(at_s=100.0 + at_s, waited_s=waited)
        running.read()
        return running

    return read


def test_time_in_which_others_have_the_processor_is_not_the_jobs_own(clock):
    assert not clock(2.0, 0.5).is_waiting
    assert clock(4.0, 2.4).is_waiting
    read = clock(10.0, 8.4)
    assert read.is_waiting
    assert (read.elapsed_s, read.own_s) == (10.0, pytest.approx(1.6))
    assert not clock(12.0, 8.4).is_waiting


def test_a_process_that_has_ended_takes_no_time_back(clock):
    assert clock(4.0, 3.0).own_s == 1.0
    assert clock(6.0, 0.0).own_s == 3.0


def test_a_reading_at_the_same_moment_changes_nothing(clock):
    clock(4.0, 3.0)
    assert (clock(4.0, 4.0).own_s, clock(4.0, 4.0).is_waiting) == (1.0, True)


def test_a_process_that_is_gone_has_waited_for_nothing():
    assert waited_s(NO_PROCESS) == 0.0
    assert waited_s(os.getpid()) >= 0.0
