"""Children of the gateway, and what they leave behind."""

import asyncio
import signal
from asyncio.subprocess import PIPE

import pytest

from lite_gateway.child_process import close_pipes
from tests.waiting import PATIENCE_S, until_async


@pytest.mark.process
def test_pipes_are_closed_that_the_children_of_a_child_hold_open():
    async def main() -> None:
        # The shell prints the id of its child, and dies before it.
        script = "sleep 120 & echo $!; kill -KILL $$"
        process = await asyncio.create_subprocess_exec("sh", "-c", script, stdout=PIPE)
        assert process.stdout is not None
        line = await process.stdout.readline()
        try:
            await until_async(lambda: process.returncode == -signal.SIGKILL)
            assert not process.stdout.at_eof()
            close_pipes(process)
            async with asyncio.timeout(PATIENCE_S):
                assert await process.stdout.read() == b""
                assert await process.wait() == -signal.SIGKILL
        finally:
            kill = await asyncio.create_subprocess_exec("kill", line.strip())
            await kill.wait()

    asyncio.run(main())
