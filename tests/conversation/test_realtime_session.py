"""Realtime session: bursts of messages, and deletions that the server answers."""

import asyncio

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from conversation.agent import realtime_session
from conversation.agent.realtime_session import FairConnection
from tests.conversation.by_realtime import talk
from tests.conversation.played_server import answered_session
from tests.waiting import PATIENCE_S, until_async

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
        connection = FairConnection(burst, lambda: None)
        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            while await connection.receive():
                pass
        assert not connection.closed

    asyncio.run(main())
    assert len(set(seen)) >= MESSAGES - 2


async def is_waiting(waiting: asyncio.Task) -> bool:
    """Return whether a task has not ended when others have run."""
    for _ in range(20):
        await asyncio.sleep(0)
    return not waiting.done()


def give_up(session, speech) -> None:
    """End the speech of the answer before anything of it is heard."""
    session.answers.end_speech(speech, interrupted=True)
    session.forget_unheard()


def cut_at_once(session, _) -> None:
    """Cut the answer as the framework does if its playback had begun."""
    session.truncate(message_id="item", modalities=["audio", "text"], audio_end_ms=0)


@pytest.mark.parametrize("forget", [give_up, cut_at_once])
@pytest.mark.parametrize("reply", ["conversation.item.deleted", "error"])
def test_a_deletion_is_waited_for_until_the_server_confirms_or_refuses_it(
    forget, reply, monkeypatch
):
    monkeypatch.setattr(realtime_session, "MAX_CONFIRM_S", 2 * PATIENCE_S)

    async def main() -> None:
        async with answered_session() as (session, server, speech):
            forget(session, speech)
            await until_async(lambda: server.of("conversation.item.delete"))
            (asked,) = server.of("conversation.item.delete")
            assert asked["item_id"] == "item"
            error = {"message": "no", "type": "invalid_request_error", "code": "c"}
            error |= {"param": None, "event_id": asked.get("event_id")}
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(session.wait_current())
                assert await is_waiting(waiting)
                server.send({"type": reply, "item_id": "item", "error": error})

    asyncio.run(main())


def test_a_deletion_without_a_reply_delays_one_answer_only(monkeypatch):
    monkeypatch.setattr(realtime_session, "MAX_CONFIRM_S", 0.01)

    async def main() -> None:
        async with answered_session() as (session, server, speech):
            give_up(session, speech)
            await until_async(lambda: server.of("conversation.item.delete"))
            await session.wait_current()
            async with asyncio.TaskGroup() as tasks:
                monkeypatch.setattr(realtime_session, "MAX_CONFIRM_S", PATIENCE_S)
                assert not await is_waiting(tasks.create_task(session.wait_current()))

    asyncio.run(main())


def test_after_a_first_connection_that_failed_the_second_is_used():
    async def main() -> None:
        async with answered_session(refuses=1) as (session, server, _):
            assert server.connections == 1
            async with asyncio.timeout(PATIENCE_S):
                await session.wait_current()

    asyncio.run(main())


@pytest.mark.process
def test_neither_the_start_nor_an_end_while_the_avatar_speaks_logs_a_fault(
    counterpart, caplog
):
    counterpart.script(responses={"seconds": 8})

    async def check(talk, gateway):
        gateway.command("speak_response", "Count.")
        await gateway.until(lambda: gateway.turns and gateway.turns[1].samples)

    talk(check, counterpart)
    told = [record.getMessage() for record in caplog.records]
    ours = ("failed to emit", "error in done_callback")
    assert not [text for text in told if text.startswith(ours)]
