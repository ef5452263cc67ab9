"""Answers of a language model that is slow, or breaks off."""

import asyncio
from types import SimpleNamespace

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from livekit.agents.llm import ChatChunk, ChatContext, ChoiceDelta

from conversation.agent.answers import MAX_ANSWER, Answers
from conversation.agent.providers import Providers
from protocol.link.settings import Endpoint
from tests.conversation.talks import FullTalk
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.process
TOKEN_S = 3.0  # in which a busy machine answers a model's second request


def answered(
    counterpart, *, token_s: float = PATIENCE_S, **script
) -> tuple[str, list[str], int]:
    """Return the words of an answer, the codes of its faults, and the requests."""
    counterpart.script(chat=script.pop("chat"))
    faults = []
    first = []

    async def main() -> str:
        settings = FullTalk(counterpart.url).settings
        assert settings.llm == Endpoint(
            counterpart.url, "gpt-4.1", "sk-test-llm", trusted=True
        )
        providers = Providers(settings)
        answers = Answers(
            providers.llm, faults.append, lambda: first.append(1), token_s=token_s
        )
        history = ChatContext.empty()
        history.add_message(role="user", content="Hello.")
        words = [word async for word in answers.answer(history)]
        await providers.aclose()
        return "".join(words)

    text = asyncio.run(main())
    assert len(first) <= 1
    return text, [fault.code for fault in faults], len(counterpart.requests("chat"))


def test_a_model_that_does_not_begin_is_asked_once_more(counterpart):
    script = [{"fault": "hang", "times": 1}, {"text": "Here I am."}]
    found = answered(counterpart, token_s=TOKEN_S, chat=script)
    assert found == ("Here I am.", [], 2)


def test_a_model_that_never_begins_is_told_and_said_aloud(counterpart):
    text, codes, requests = answered(counterpart, token_s=0.5, chat={"fault": "hang"})
    assert text == "My language model takes too long to answer."
    assert (codes, requests) == (["timeout"], 2)


def test_a_model_that_stops_in_an_answer_is_told_and_what_came_stays(counterpart):
    script = {"text": "One two three four.", "stall_after": 2}
    found = answered(counterpart, token_s=TOKEN_S, chat=script)
    assert found == ("One two", ["timeout"], 1)


def test_a_connection_that_is_lost_before_the_first_word_is_made_again(counterpart):
    script = [{"fault": "drop", "times": 1}, {"text": "Here I am."}]
    assert answered(counterpart, chat=script) == ("Here I am.", [], 2)


def test_a_connection_that_is_lost_in_an_answer_is_told_and_what_came_stays(
    counterpart,
):
    script = {"text": "One two three four.", "break_after": 2}
    assert answered(counterpart, chat=script) == ("One two", ["cut"], 1)


def test_a_model_that_fails_for_good_is_asked_once(counterpart):
    text, codes, requests = answered(counterpart, chat={"fault": "quota"})
    assert text == "I cannot reach my language model."
    assert (codes, requests) == (["quota"], 1)


def test_an_answer_without_an_end_is_cut():
    class Endless:
        """Stream of a model that sends a megabyte in each piece, half a pair in it."""

        def __init__(self, **_) -> None:
            self.pieces = 0

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_) -> None:
            pass

        async def __anext__(self):
            self.pieces += 1
            delta = ChoiceDelta(content=("word " * self.pieces) + "\ud83d")
            return ChatChunk(id="1", delta=delta)

    model = SimpleNamespace(chat=Endless)
    faults: list = []

    async def main() -> list[str]:
        answers = Answers(model, faults.append, lambda: None)
        return [text async for text in answers.answer(ChatContext.empty())]

    said = "".join(asyncio.run(main()))
    assert len(said) == MAX_ANSWER
    assert "\ufffd" in said
    said.encode()  # raises for half of a pair
    assert faults == []
