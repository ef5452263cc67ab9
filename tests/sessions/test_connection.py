"""Connection of one client, without a session."""

import asyncio
import contextlib

import pytest

from lite_gateway.sessions.connection import NORMAL, client_connection
from tests.fakes import MemoryTransport
from tests.virtual import run


def test_a_cancellation_that_meets_the_close_is_not_lost():
    class CancellingTransport(MemoryTransport):
        """Cancels the task that serves it while it is closed."""

        async def close(self, code: int, reason: str) -> None:
            await super().close(code, reason)
            serving.cancel()

    async def serve() -> None:
        async with client_connection(CancellingTransport()) as connection:
            connection.close(NORMAL, "over")
            await asyncio.get_running_loop().create_future()

    async def main():
        nonlocal serving
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(serve())
            with pytest.raises(asyncio.CancelledError):
                await serving

    serving: asyncio.Task[None]
    run(main())


def test_a_close_that_ends_after_the_client_has_left_is_no_cancellation():
    """The server's close of a replaced client may take steps of the loop to end."""

    class SlowClose(MemoryTransport):
        async def close(self, code: int, reason: str) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
            for _ in range(3):
                await asyncio.sleep(0)

    async def main():
        transport = SlowClose()
        async with client_connection(transport) as connection:
            connection.close(1000, "replaced")
            await asyncio.sleep(0.1)
        return asyncio.current_task().cancelling()

    assert run(main()) == 0
