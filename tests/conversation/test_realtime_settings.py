"""Settings of Realtime, as the counterpart gets them from the unmodified plugin."""

import asyncio

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from tests.conversation.talks import RealtimeTalk

pytestmark = pytest.mark.process


def asked_settings(counterpart, **changes) -> dict:
    """Return the settings that a conversation asks for, when they are taken."""
    conversation = RealtimeTalk(counterpart.url, **changes)

    async def main() -> None:
        async with conversation.running():
            conversation.gateway.command("speak_response", "Hello?")
            told = lambda: conversation.gateway.texts("avatar.transcription")  # noqa: E731
            await conversation.gateway.until(told)

    asyncio.run(main())
    (connection,) = counterpart.connections()
    updates = [e for e in connection["received"] if e["type"] == "session.update"]
    merged: dict = {}
    for update in updates:
        _merge(merged, update["session"])
    assert counterpart.refused() == []
    return merged


def _merge(known: dict, newer: dict) -> None:
    for name, value in newer.items():
        if isinstance(value, dict) and isinstance(known.get(name), dict):
            _merge(known[name], value)
        else:
            known[name] = value


@pytest.mark.parametrize("turns", ["semantic_vad", "server_vad"])
def test_the_server_finds_turns_and_hears_words(counterpart, turns):
    session = asked_settings(counterpart, turns=turns, language="de")
    assert session["instructions"] == "You are a test."
    assert session["audio"]["output"]["voice"] == "alloy"
    listening = session["audio"]["input"]
    detection = listening["turn_detection"]
    assert detection["type"] == turns
    assert detection["create_response"] is True
    assert detection["interrupt_response"] is True
    assert listening["transcription"]["model"]
    assert listening["transcription"]["language"] == "de"


def test_push_to_talk_leaves_turns_to_the_agent(counterpart):
    session = asked_settings(counterpart, push_to_talk=True)
    assert session["audio"]["input"]["turn_detection"] is None


def test_without_a_context_it_hears_and_does_not_answer(counterpart):
    session = asked_settings(counterpart, answers=False)
    detection = session["audio"]["input"]["turn_detection"]
    assert (detection["create_response"], detection["interrupt_response"]) == (
        *(False, False),
    )
