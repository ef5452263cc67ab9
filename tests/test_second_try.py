"""Failures that CI tries again, in pytest runs of a few failing tests."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.second_try import COMPUTES, FINAL

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[1]
REAL = "import pytest\n@pytest.mark.livekit\n"
COMPUTED = f"import pytest\n@pytest.mark.{COMPUTES}\n"
XDIST = ["-p", "xdist", "-n1"]


def retried(folder: Path, tests: str, options: Sequence[str] = ()) -> list[str]:
    """Run the tests in a folder; return the names in the list, or its one line."""
    folder.mkdir(exist_ok=True)
    marks = "\n ".join(["livekit", "unit", COMPUTES])
    (folder / "pytest.ini").write_text(f"[pytest]\nmarkers =\n {marks}\n")
    (folder / "test_it.py").write_text(tests)
    list_path = folder / "failed"
    env = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(
        [*(sys.executable, "-m", "pytest", "-q", "-p", "tests.second_try"), *options],
        env={**os.environ, **env, "SECOND_TRY": str(list_path)},
        cwd=folder,
        capture_output=True,
        check=False,
    )
    ids = list_path.read_text().splitlines() if list_path.exists() else []
    return [test_id.rpartition("::")[2] for test_id in ids]


@pytest.mark.parametrize(
    ("tests", "names"),
    [
        ("def test_a(): pass", []),
        (f"{REAL}def test_a(): assert 0\ndef test_b(): pass", ["test_a"]),
        (f"{REAL}def test_a(): assert 0\n{COMPUTED}def test_b(): assert 0", [FINAL]),
        (f"{REAL}def test_a(no_such): pass", ["test_a"]),
        (
            f"{REAL}@pytest.mark.parametrize('n', range(6))\ndef test_a(n): assert 0",
            [FINAL],
        ),
        (f"{REAL}def test_a(): import os; os._exit(1)", [FINAL]),
        (f"{REAL}def test_a(): pytest.exit('enough')", [FINAL]),
        ("import nowhere", [FINAL]),
    ],
    ids=["pass", "livekit", "computes", "error", "many", "exit", "stop", "import"],
)
def test_failures_of_tests_that_compute_are_never_tried_again(tmp_path, tests, names):
    assert retried(tmp_path, tests) == names


def test_a_unit_test_that_may_wait_is_tried_again(tmp_path):
    tests = "import pytest\n@pytest.mark.unit\ndef test_a(): assert 0\n"
    assert retried(tmp_path, tests) == ["test_a"]
    both = f"{tests}@pytest.mark.{COMPUTES}\ndef test_b(): pass"
    assert retried(tmp_path / "both", both) == ["test_a"]


@pytest.mark.parametrize(
    ("tests", "names"),
    [
        (f"{REAL}def test_a(): assert 0\ndef test_b(): pass", ["test_a"]),
        (f"{REAL}def test_a(): assert 0\n{COMPUTED}def test_b(): assert 0", [FINAL]),
        (f"{REAL}def test_a(): import os; os._exit(1)", [FINAL]),
    ],
    ids=["livekit", "computes", "exit"],
)
def test_failures_in_worker_processes_are_listed_alike(tmp_path, tests, names):
    assert retried(tmp_path, tests, XDIST) == names


def test_a_second_run_adds_to_the_list(tmp_path):
    assert retried(tmp_path, f"{REAL}def test_a(): assert 0") == ["test_a"]
    assert retried(tmp_path, "def test_b(): pass") == ["test_a"]
    assert retried(tmp_path, f"{REAL}def test_b(): assert 0") == ["test_a", "test_b"]
    computed = f"{COMPUTED}def test_c(): assert 0"
    assert retried(tmp_path, computed) == ["test_a", "test_b", FINAL]


@pytest.mark.parametrize(("last", "names"), [(0, ["test_a"]), (1, [FINAL, "test_a"])])
def test_two_runs_at_once_each_replace_their_own_line(tmp_path, last, names):
    """The first one ends, with a failure, while the second one runs."""
    first = f"{REAL}def test_a(): assert 0"
    second = (
        f"import os, pathlib, subprocess, sys\n{COMPUTED}def test_b():\n"
        "    (folder := pathlib.Path('first')).mkdir()\n"
        "    (folder / 'pytest.ini').write_text(pathlib.Path('pytest.ini').read_text())"
        f"\n    (folder / 'test_it.py').write_text({first!r})\n"
        "    command = [sys.executable, '-m', 'pytest', '-p', 'tests.second_try']\n"
        "    assert subprocess.run(command, cwd=folder).returncode == 1\n"
        f"    assert not {last}\n"
    )
    assert retried(tmp_path, second) == names
