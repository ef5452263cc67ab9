"""`tests.yielding`: pytest that yields to other processes until it is told to stop."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import until
from tests.yielding import NICENESS, stop_yielding

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may raise a priority"),
]
USUAL = """
import os, time
def test_it():
    while os.sched_getscheduler(0) != os.SCHED_OTHER:
        time.sleep(0.01)
"""


def test_it_yields_in_a_session_of_its_own_until_a_signal(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(USUAL)
    command = [sys.executable, "-m", "tests.yielding", "-q", "-c", os.devnull]
    with subprocess.Popen(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.DEVNULL,
    ) as process:
        until(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) >= NICENESS)
        assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
        assert os.getsid(process.pid) == process.pid
        process.send_signal(signal.SIGUSR1)
        assert process.wait() == 0


def test_the_signal_is_for_the_processes_below_too() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        os.sched_setscheduler(child.pid, os.SCHED_IDLE, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, child.pid, NICENESS)
        stop_yielding()
        assert os.sched_getscheduler(child.pid) == os.SCHED_OTHER
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 0
        child.kill()
