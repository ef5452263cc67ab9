"""Connection of one client, without a session."""

import asyncio

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
