"""Runs of pip that install or download one pinned wheel."""

import subprocess
import sys

_OPTIONS = (
    *("--quiet", "--no-deps", "--disable-pip-version-check", "--no-cache-dir"),
    *("--retries", "1", "--only-binary", ":all:", "--require-hashes"),
)


class PipFailed(Exception):
    """Reason why pip failed, in one line."""


def run_pip(command: str, *options: str, timeout_s: float) -> None:
    """
    Run ``pip install`` or ``pip download`` for requirements with hashes.

    Raises ``PipFailed``, also when it takes longer than ``timeout_s``, and ``OSError``.
    """
    arguments = [sys.executable, "-m", "pip", command, *_OPTIONS, *options]
    try:
        done = subprocess.run(
            arguments, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PipFailed(f"pip took more than {timeout_s:.0f} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["pip gave no reason"]
        errors = [line for line in lines if line.startswith("ERROR: ")]
        raise PipFailed((errors or lines)[-1].removeprefix("ERROR: "))
