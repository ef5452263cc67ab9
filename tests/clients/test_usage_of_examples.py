"""Examples that take arguments say which, where they are missing."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ("python_client.py", "web/samples/long.wav 2.5"),
        ("external_audio.py", "LIVEKIT_URL ROOM_TOKEN AVATAR_IDENTITY FILE.wav"),
    ],
)
def test_an_example_without_its_arguments_prints_its_usage(example, words):
    command = [sys.executable, EXAMPLES / example]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
