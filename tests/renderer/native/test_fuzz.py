"""Hostile packages and faces, drawn while each access to memory is checked."""

import re
import subprocess
import sys

import pytest

from tools import sanitized

PACKAGES, SEED = 100, 16


@pytest.mark.slow
def test_no_package_makes_native_code_leave_its_memory(gcc):
    command = [sys.executable, "-m", "tools.sanitized", "tests.renderer.native.fuzz"]
    done = subprocess.run(
        [*command, str(PACKAGES), str(SEED)],
        cwd=sanitized.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    refused, drawn = (
        int(re.search(rf"'{what}': (\d+)", done.stdout)[1])
        for what in ("refused", "drawn")
    )
    assert refused + drawn == PACKAGES
    assert min(refused, drawn) > PACKAGES / 5
