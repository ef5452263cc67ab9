"""Answers of Realtime whose connection was lost: what the next one is told."""

import asyncio

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from livekit.agents.llm import ChatMessage

from tests.conversation.played_server import SAID, answered_session
from tests.waiting import until_async

HEARD = "one two"


def cut(session, _) -> None:
    """Cut the answer as the framework does."""
    session.truncate(
        message_id="item",
        modalities=["audio", "text"],
        audio_end_ms=700,
        audio_transcript=HEARD,
    )
    spoken(session, HEARD)


def cut_in_the_first_word(session, _) -> None:
    session.truncate(
        message_id="item",
        modalities=["audio", "text"],
        audio_end_ms=20,
        audio_transcript="",
    )


def give_up(session, speech) -> None:
    """End the speech of the answer before anything of it is heard."""
    session.answers.end_speech(speech, interrupted=True)
    session.forget_unheard()


def hear_all(session, speech) -> None:
    spoken(session, SAID)
    session.answers.end_speech(speech, interrupted=False)


def spoken(session, words: str) -> None:
    """Take the words into the history, as the framework does, and settle them."""
    answer = ChatMessage(id="item", role="assistant", content=[words])
    session.history()._upsert_item(answer)
    session.settle("item")


ENDS = {cut: [HEARD], cut_in_the_first_word: [], give_up: [], hear_all: [SAID]}


async def replaced(server) -> None:
    """Lose the connection, and wait until the next one was sent its history."""
    server.lose()
    await until_async(lambda: server.connections == 2 and server.of(CREATE))


CREATE = "conversation.item.create"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("moment", ["lost", "unconfirmed", "restored"])
def test_a_new_connection_is_told_only_words_that_were_heard(end, moment):
    async def main() -> None:
        async with answered_session() as (session, server, speech):
            if moment == "lost":
                server.lose()
                await until_async(lambda: session.is_lost)
                end(session, speech)
                await until_async(lambda: server.connections == 2)
            else:
                await replaced(server)
                assert server.history() == ["Count."]
                if moment == "restored":
                    server.confirm()
                    await session.wait_current()
                end(session, speech)
            # The framework makes the next history of what the plugin has now.
            async with asyncio.TaskGroup() as tasks:
                next_history = session.chat_ctx.copy()
                next_history.add_message(role="user", content="And now?")
                tasks.create_task(session.update_chat_ctx(next_history))
                tasks.create_task(confirm(server, "And now?"))
            assert server.history() == ["Count.", *ENDS[end], "And now?"]

    asyncio.run(main())


async def confirm(server, last: str) -> None:
    """Confirm all changes, to that which brings the last text."""
    is_last = False
    while not is_last:
        await asyncio.sleep(0.01)
        is_last = last in server.history()
        server.confirm()


def test_what_neither_history_has_is_added_to_one_that_was_lost_meanwhile():
    """A text is added to a copy of the history that has all words of the answer."""

    async def main() -> None:
        async with answered_session() as (session, server, speech):
            old = session.chat_ctx.copy()
            old.add_message(role="user", content="And now?")
            assert [item.text_content for item in old.items][1] == SAID
            server.lose()
            await until_async(lambda: session.is_lost)
            cut(session, speech)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(session.update_chat_ctx(old))
                tasks.create_task(confirm(server, "And now?"))
            assert server.history() == ["Count.", HEARD, "And now?"]

    asyncio.run(main())


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_text_that_a_lost_connection_did_not_confirm_is_sent_again(is_broken):
    """It follows an answer that the next connection is not told of."""

    async def main() -> None:
        async with answered_session() as (session, server, speech):
            cut_in_the_first_word(session, speech)
            server.is_broken = is_broken
            async with asyncio.TaskGroup() as tasks:
                next_history = session.chat_ctx.copy()
                next_history.add_message(role="user", content="And now?")
                tasks.create_task(session.update_chat_ctx(next_history))
                if is_broken:
                    await until_async(lambda: session.is_lost)
                else:
                    await until_async(lambda: server.of(CREATE))
                server.lose()
                await until_async(lambda: server.connections == 2)
                tasks.create_task(confirm(server, "And now?"))
            assert server.history() == ["Count.", "And now?"]

    asyncio.run(main())
