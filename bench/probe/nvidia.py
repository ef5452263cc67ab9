"""What ``nvidia-smi`` says of the GPU while something runs."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

_EVERY_MS = 250


@dataclass(frozen=True, slots=True)
class Use:
    """One reading."""

    busy: float  # %, of the time since the reading before
    memory_mb: float  # of all processes


@contextlib.contextmanager
def watched(program: str = "nvidia-smi") -> Iterator[list[Use]]:
    """Filled when the context ends; stays empty where there is no GPU."""
    uses: list[Use] = []
    command = shutil.which(program)
    if command is None:
        yield uses
        return
    which = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0] or "0"
    asked = ("--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits")
    with tempfile.TemporaryFile("w+") as told:
        with subprocess.Popen(
            [command, "-i", which, *asked, "-lms", str(_EVERY_MS)],
            stdout=told,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield uses
            finally:
                process.terminate()
        told.seek(0)
        uses += readings(told.read())


def readings(told: str) -> list[Use]:
    """Lines of ``busy, memory``; those without numbers, as ``[N/A]``, are left out."""
    uses = []
    for line in told.splitlines():
        with contextlib.suppress(ValueError):
            busy, memory = map(float, line.split(","))
            uses.append(Use(busy, memory))
    return uses
