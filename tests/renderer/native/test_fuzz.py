"""Hostile packages, faces and audio, while each access to memory is checked."""

import re
import subprocess
import sys

import pytest

from tools import sanitized

pytestmark = pytest.mark.slow
PACKAGES, CALLS, SEED = 40, 50, 16  # `make fuzz-native` draws more


def run(fuzzer: str, count: int) -> str:
    """Return what a fuzzer prints that has found no fault."""
    command = [sys.executable, "-m", "tools.sanitized"]
    done = subprocess.run(
        [*command, f"tests.renderer.native.{fuzzer}", str(count), str(SEED)],
        cwd=sanitized.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_package_makes_native_code_leave_its_memory(gcc):
    output = run("fuzz_drawing", PACKAGES)
    refused, drawn = (
        int(re.search(rf"'{what}': (\d+)", output)[1]) for what in ("refused", "drawn")
    )
    assert refused + drawn == PACKAGES
    assert min(refused, drawn) > PACKAGES / 5


def test_no_audio_makes_native_code_leave_its_memory(gcc):
    assert run("fuzz_speech", CALLS).endswith("no fault\n")
