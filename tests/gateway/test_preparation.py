"""Preparation of the renderer in a thread, when the process ends meanwhile."""

import subprocess
import sys
import textwrap

import pytest

from tests.waiting import PATIENCE_S

# A thread that Python stops within torch aborts the process.
PROGRAM = textwrap.dedent(
    """
    import asyncio, sys, time
    from lite_gateway import preparation
    from lite_gateway.config import Config

    def prepare(config):
        time.sleep(0.5)
        print("prepared")

    async def stop_waiting(future):
        waiting = asyncio.wrap_future(future)
        await asyncio.sleep(0.1)
        waiting.cancel()

    preparation.prepare = prepare
    future = preparation.start_preparing(Config())
    if sys.argv[1] == "cancelled":
        asyncio.run(stop_waiting(future))
    sys.exit(3)
    """
)


@pytest.mark.process
@pytest.mark.parametrize("end", ["error", "cancelled"])
def test_a_process_that_ends_early_waits_for_its_preparation(end):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, end],
        timeout=PATIENCE_S,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "prepared\n", "")
