"""Failures that CI tries again, in pytest runs of a few failing tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REAL = "import pytest\n@pytest.mark.livekit\n"


@pytest.mark.parametrize(
    ("tests", "retried"),
    [
        ("def test_a(): pass", []),
        (f"{REAL}def test_a(): assert 0\ndef test_b(): pass", ["test_a"]),
        (f"{REAL}def test_a(): assert 0\ndef test_b(): assert 0", []),
        (f"{REAL}def test_a(no_such): pass", ["test_a"]),
        (
            f"{REAL}@pytest.mark.parametrize('n', range(6))\ndef test_a(n): assert 0",
            [],
        ),
        (f"{REAL}def test_a(): import os; os._exit(1)", []),
        (f"{REAL}def test_a(): pytest.exit('enough')", []),
        ("import nowhere", []),
    ],
    ids=["pass", "livekit", "unit", "error", "many", "exit", "stop", "import"],
)
def test_only_failures_of_external_programs_are_tried_again(tmp_path, tests, retried):
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = livekit\n")
    (tmp_path / "test_it.py").write_text(tests)
    list_path = tmp_path / "failed"
    env = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.second_try", tmp_path],
        env={**os.environ, **env, "SECOND_TRY": str(list_path)},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    ids = list_path.read_text().splitlines() if list_path.exists() else []
    assert [test_id.rpartition("::")[2] for test_id in ids] == retried
