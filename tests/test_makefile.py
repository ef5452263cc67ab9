"""Exit status of `make` from those of its runs of pytest."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)
FAILED = int(pytest.ExitCode.TESTS_FAILED)


RUNS = {"unit": ["parallel", "alone"], "test": ["parallel", "alone", "yielding"]}


def make(folder: Path, statuses: tuple[int, ...]) -> tuple[int, list[str]]:
    """
    Run `make` with a Python whose runs of pytest have these exit statuses.

    There are two in `make unit` and three in `make test`. Return make's status and the
    runs in the order of their output.
    """
    target = {len(runs): target for target, runs in RUNS.items()}[len(statuses)]
    parallel, alone, yielding = (*statuses, 0)[:3]
    python = folder / "python"
    python.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f"*tests.yielding*) trap : USR1; echo yielding; exit {yielding} ;;\n"
        f'*pytest*"not real_time"*) echo parallel; exit {parallel} ;;\n'
        f"*pytest*) sleep 0.1; echo alone; exit {alone} ;;\n"
        "esac\n"
    )
    python.chmod(0o755)
    command = ["make", "-C", str(ROOT), "--no-print-directory", f"PY={python}"]
    command += ["--old-file=prepare", target, "ARGS=-q"]
    # Not those of the `make test` that runs this test, such as its TESTS.
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return done.returncode, [line for line in lines if line in RUNS["test"]]


@pytest.mark.parametrize(
    "statuses",
    [
        *((0, 0), (0, NO_TESTS), (NO_TESTS, 0)),
        *((0, 0, 0), (NO_TESTS, NO_TESTS, 0), (0, NO_TESTS, NO_TESTS)),
    ],
)
def test_some_runs_may_have_no_tests(tmp_path, statuses):
    target = "unit" if len(statuses) == 2 else "test"
    assert make(tmp_path, statuses) == (0, RUNS[target])


@pytest.mark.parametrize(
    "statuses",
    [
        *((FAILED, 0), (0, FAILED), (FAILED, NO_TESTS), (NO_TESTS, FAILED)),
        *((2, 0), (0, 4)),
        *((FAILED, 0, 0), (0, FAILED, 0), (0, 0, FAILED), (0, NO_TESTS, 137)),
    ],
)
def test_a_run_that_fails_is_not_hidden_by_others(tmp_path, statuses):
    status, output = make(tmp_path, statuses)
    assert status
    assert output == RUNS["unit" if len(statuses) == 2 else "test"]


@pytest.mark.parametrize("runs", [2, 3])
def test_arguments_that_match_no_test_at_all_fail(tmp_path, runs):
    status, _ = make(tmp_path, (NO_TESTS,) * runs)
    assert status
