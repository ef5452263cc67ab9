"""The fuzzer of the lip-sync driver finds no fault, for a while."""

import subprocess
import sys

import pytest

from tools.sanitized import ROOT


@pytest.mark.slow
def test_random_audio_and_weights_cause_no_fault(gcc):
    fuzzer = ["tests.renderer.native.fuzz_speech", "120", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tools.sanitized", *fuzzer],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("no fault\n")
