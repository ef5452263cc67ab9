"""Option --slower of the benchmark: processors of which a share is taken."""

import os
import subprocess
import sys
import time

import pytest

from bench.__main__ import main
from bench.probe.slow_machine import slower

_CPU_S = 0.2


def slowness() -> float:
    """Return how many times as long as its own work a thread needs."""
    started_s, until_s = time.monotonic(), time.thread_time() + _CPU_S
    while time.thread_time() < until_s:
        pass
    return (time.monotonic() - started_s) / _CPU_S


@pytest.mark.real_time
@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts real-time processes")
def test_each_processor_is_slower_within_the_block():
    # Other work makes this thread slower still, never quicker.
    with slower(3):
        for processor in os.sched_getaffinity(0):
            assert slowness_on(processor) > 2.5


def slowness_on(processor: int) -> float:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        return slowness()
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone has what is taken here")
def test_a_user_who_may_not_slow_the_machine_is_told_what_to_do():
    unprivileged = ["setpriv", "--bounding-set=-sys_nice"]
    bench = [sys.executable, "-m", "bench", "protocol", "--slower", "2"]
    ended = subprocess.run(
        [*unprivileged, *bench], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "Operation not permitted" in ended.stderr
    assert "Run the benchmark as root" in ended.stderr


@pytest.mark.parametrize("factor", ["0.5", "11", "nan", "two"])
def test_a_factor_that_no_machine_is_slowed_by_is_refused(factor, capsys):
    with pytest.raises(SystemExit):
        main(["protocol", "--slower", factor])
    assert f"{factor} is not a number from 1 to 10" in capsys.readouterr().err
