"""Workers of the agent process: forks that are replaced when they die."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import until

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
PROGRAM = """
import os, sys, time
from conversation.agent.workers import run_workers

def work():
    print(os.getpid(), flush=True)
    return int(sys.stdin.readline())

sys.exit(run_workers(work, os.getppid(), first_restart_s=float(sys.argv[1])))
"""


def started(first_restart_s: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAM, str(first_restart_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_worker_that_dies_or_fails_is_replaced_until_one_ends_well():
    with started(0.01) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        pids = [int(program.stdout.readline())]
        os.kill(pids[0], signal.SIGKILL)
        pids.append(int(program.stdout.readline()))
        program.stdin.write("3\n")
        program.stdin.flush()
        pids.append(int(program.stdout.readline()))
        program.stdin.write("no number\n")
        program.stdin.flush()
        pids.append(int(program.stdout.readline()))
        _, log = program.communicate("0\n", timeout=60)
    assert len({*pids, program.pid}) == 5
    assert program.returncode == 0
    statuses = re.findall(r"\(status (-?\d+)\)", log)
    assert statuses == ["-9", "3", "1"]
    assert "ValueError" in log


def test_the_process_that_forks_ends_when_its_own_parent_has():
    script = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", script, sys.executable, "-u", "-c", PROGRAM, "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        worker = int(parent.stdout.readline())
        parent.kill()
        parent.wait(60)
        parent.stdin.close()  # the worker ends; nobody starts another one
        assert parent.stdout.read() == ""
    until(lambda: not alive(worker))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
