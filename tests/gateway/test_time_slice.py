"""Time slice of a thread, as the system tells it."""

import os
import subprocess
import sys
import threading

import pytest

from lite_gateway.time_slice import SHORTEST_S, shorten_time_slice, time_slice


def in_thread(work):
    """Return what ``work`` returns in a thread of its own, whose slice may change."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    (result,) = results
    return result


needs_slices = pytest.mark.skipif(
    in_thread(time_slice) is None, reason="needs Linux 6.12 or newer"
)


def shortened():
    shorten_time_slice()
    return time_slice()


@needs_slices
def test_a_thread_gets_the_slice_that_it_asks_for():
    before_s = time_slice()
    assert in_thread(shortened) == pytest.approx(SHORTEST_S)
    assert time_slice() == before_s > SHORTEST_S


@needs_slices
def test_threads_and_processes_that_it_starts_have_the_usual_slice():
    def started():
        shorten_time_slice()
        code = "from lite_gateway.time_slice import time_slice; print(time_slice())"
        child = subprocess.run(
            (sys.executable, "-c", code), check=True, capture_output=True, text=True
        )
        return in_thread(time_slice), float(child.stdout)

    usual_s = time_slice()
    assert in_thread(started) == (usual_s, usual_s)


@needs_slices
def test_its_niceness_stays():
    def niceness():
        os.setpriority(os.PRIO_PROCESS, 0, 3)
        slice_s = shortened()
        return slice_s, os.getpriority(os.PRIO_PROCESS, 0)

    assert in_thread(niceness) == (pytest.approx(SHORTEST_S), 3)


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="needs Linux")
def test_a_policy_that_somebody_has_chosen_stays():
    def policy():
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        shorten_time_slice()
        return os.sched_getscheduler(0)

    assert in_thread(policy) == os.SCHED_BATCH


def test_a_system_that_knows_no_slices_is_left_alone(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "unknown")
    assert in_thread(shortened) is None
