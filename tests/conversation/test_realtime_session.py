"""Realtime session: it leaves the loop to others while messages come in a burst."""

import asyncio

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from conversation.agent.realtime_session import FairConnection

MESSAGES = 50


class Burst:
    """Connection whose messages are all there."""

    def __init__(self) -> None:
        self.left = MESSAGES
        self.closed = False

    async def receive(self) -> int:
        self.left -= 1
        return self.left


def test_others_run_between_the_messages_of_a_burst():
    burst = Burst()
    seen: list[int] = []

    async def watch() -> None:
        while burst.left:
            seen.append(burst.left)
            await asyncio.sleep(0)

    async def main() -> None:
        connection = FairConnection(burst)
        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            while await connection.receive():
                pass
        assert not connection.closed

    asyncio.run(main())
    assert len(set(seen)) >= MESSAGES - 2
