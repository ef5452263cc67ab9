"""Conversations in FULL mode with the counterpart, and what is read from them."""

import asyncio
from pathlib import Path

from conversation.agent.link import ConversationOver
from protocol.link.messages import Happened
from tests.conversation.talks import FullTalk
from tests.openai_counterpart import voice

COUNTING = "One two three four five six seven eight nine ten. " * 3
SAMPLES = Path(__file__).parents[2] / "web" / "samples"


def recording(name: str):
    """Return a recording of speech, at 24 kHz."""
    pcm, rate = voice.from_wav((SAMPLES / f"{name}.wav").read_bytes())
    assert rate == 24_000
    return pcm


def talk(check, counterpart, **changes) -> FullTalk:
    """Run ``check`` in a conversation; return it when it is over."""
    conversation = FullTalk(counterpart.url, **changes)

    async def main():
        async with conversation.running():
            await check(conversation, conversation.gateway)

    asyncio.run(main())
    return conversation


def messages(counterpart, index: int = -1) -> list[tuple[str, str]]:
    """Return roles and texts of a request to the language model."""
    body = counterpart.requests("chat")[index]["body"]
    return [(each["role"], each["content"]) for each in body["messages"]]


def errors(gateway) -> list:
    return [each for each in gateway.of(Happened) if each.event == "error"]


def ended(conversation) -> ConversationOver:
    over = conversation.over
    while isinstance(over, BaseExceptionGroup):
        over = over.exceptions[0]
    assert isinstance(over, ConversationOver)
    return over
