"""Exit status of `make` from those of its two runs of pytest."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)
FAILED = int(pytest.ExitCode.TESTS_FAILED)


def make_unit(folder: Path, parallel: int, alone: int) -> tuple[int, str]:
    """Run `make unit` with a Python whose runs of pytest have these exit statuses."""
    python = folder / "python"
    python.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'*pytest*"not real_time"*) echo parallel; exit {parallel} ;;\n'
        f"*pytest*) echo alone; exit {alone} ;;\n"
        "esac\n"
    )
    python.chmod(0o755)
    command = ["make", "-C", str(ROOT), "--no-print-directory", "unit", f"PY={python}"]
    # Not those of the `make test` that runs this test, such as its ARGS.
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("statuses", [(0, 0), (0, NO_TESTS), (NO_TESTS, 0)])
def test_one_of_both_runs_may_have_no_tests(tmp_path, statuses):
    assert make_unit(tmp_path, *statuses) == (0, "parallel\nalone\n")


@pytest.mark.parametrize(
    "statuses",
    [(FAILED, 0), (0, FAILED), (FAILED, NO_TESTS), (NO_TESTS, FAILED), (2, 0), (0, 4)],
)
def test_a_run_that_fails_is_not_hidden_by_the_other(tmp_path, statuses):
    status, output = make_unit(tmp_path, *statuses)
    assert status
    assert output == "parallel\nalone\n"


def test_arguments_that_match_no_test_at_all_fail(tmp_path):
    status, _ = make_unit(tmp_path, NO_TESTS, NO_TESTS)
    assert status
