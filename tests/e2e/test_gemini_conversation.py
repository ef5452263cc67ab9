"""Conversation by Gemini in a real room: a person is answered, a wrong key is told."""

import asyncio

import pytest
from anyio.from_thread import start_blocking_portal

pytest.importorskip("livekit.plugins.google", reason="needs livekit-plugins-google")
pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from tests.conversation.gemini_counterpart import KEY, GeminiCounterpart
from tests.e2e.calls import ended
from tests.e2e.talking import (
    Person,
    context,
    running_session,
    secret,
    secrets_found,
    started,
    talking_gateway,
)
from tests.openai_counterpart import voice
from tests.waiting import until_async

pytestmark = [pytest.mark.livekit, pytest.mark.process]
WRONG = 'hush/of "Gemini"+1'


@pytest.fixture(scope="module")
def gemini():
    """Run the counterpart in a thread; return it and its URL."""
    counterpart = GeminiCounterpart()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(counterpart.running()) as url,
    ):
        yield counterpart, url


@pytest.fixture(scope="module")
def talking(livekit, counterpart_process, gemini, tmp_path_factory):
    log_path = tmp_path_factory.mktemp("gemini") / "log"
    with talking_gateway(
        livekit, log_path, counterpart_process, LITE_GEMINI_URL=gemini[1]
    ) as running:
        yield running


def connector(gateway, key: str, opening: str = "") -> dict:
    """Return the fields of a session whose avatar speaks by Gemini."""
    config = {
        "secret_id": secret(gateway, key, "GEMINI_API_KEY"),
        "context_id": context(gateway, opening=opening),
    }
    return {"mode": "LITE", "gemini_realtime_config": config}


def test_a_person_speaks_and_hears_the_answer(talking, gemini):
    said = ["Welcome, my friend.", "You said: Hello there."]

    async def main(session: dict) -> None:
        async with Person().visiting(session, microphone=True) as person:
            await person.event("avatar.speak_ended")
            await person.say("What do you hear?")
            await person.event("avatar.speak_ended", 2)
            await person.event("avatar.transcription", 2)
            assert person.texts("user.transcription") == ["Hello there."]
            assert person.texts("avatar.transcription") == said
            assert "error" not in person.kinds
            spoken = " ".join(said)
            # The events arrive before the last sound has been played.
            await until_async(
                lambda: (
                    voice.heard(person.recording, voice.RATE, spoken)
                    == voice.words(spoken)
                )
            )
            assert secrets_found(talking, session, KEY) == []

    with running_session(talking, **connector(talking, KEY, said[0])) as session:
        assert "ws_url" not in session
        asyncio.run(main(session))
    assert gemini[0].refused == []


def test_a_wrong_key_is_told_once_and_is_found_nowhere(talking):
    session = started(talking, **connector(talking, WRONG))

    async def main() -> Person:
        async with Person().visiting(session) as person:
            await person.event("session.stopped")
        return person

    person = asyncio.run(main())
    (error,) = person.all("error")
    assert error["code"] == "auth"
    (stopped,) = person.all("session.stopped")
    assert stopped["end_reason"] == "SERVER_ERROR"
    assert stopped["message"] == error["message"]
    assert ended(talking, session["session_id"])["end_reason"] == "SERVER_ERROR"
    assert "kind=auth" in talking.log_path.read_text()
    assert secrets_found(talking, session, WRONG, KEY) == []
