"""Faults of a pipeline's services in a real room: told, spoken, and overcome."""

import asyncio

import pytest

from lite_gateway.playout.trace import TurnHeld
from tests.conversation.full_mode import recording
from tests.e2e.calls import ended
from tests.e2e.talking import (
    Person,
    context,
    language_model,
    running_session,
    secrets_found,
)
from tests.e2e.traced import traced
from tests.openai_counterpart import voice
from tests.waiting import best_of, figures

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")
pytestmark = [pytest.mark.livekit, pytest.mark.process]

KEY = 'hush/of "language"+1'
UNREACHABLE = "I cannot reach my language model."


@pytest.fixture
def own_model(talking, counterpart):
    """Return the fields of a session in FULL mode with a language model of its own."""
    return {
        "mode": "FULL",
        "avatar_persona": {"context_id": context(talking)},
        "llm_configuration_id": language_model(talking, counterpart.url, KEY),
    }


def converse(gateway, fields: dict, check, *, microphone: bool = False) -> Person:
    """Run ``check`` in the room of a conversation; return the person."""

    async def main(session: dict) -> Person:
        async with Person().visiting(session, microphone=microphone) as person:
            await check(person)
            assert secrets_found(gateway, session, KEY) == []
        return person

    with running_session(gateway, **fields) as session:
        return asyncio.run(main(session))


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ({"chat": {"fault": "auth", "times": 1}}, "auth"),
        ({"chat": {"fault": "model", "times": 1}}, "model"),
        ({"chat": {"fault": "quota", "times": 1}}, "quota"),
        ({"chat": {"fault": "html", "times": 1}}, "nonsense"),
        ({"chat": {"fault": "no_words", "times": 1}}, "nonsense"),
        ({"chat": {"fault": "empty", "times": 1}}, "nonsense"),
        ({"chat": {"fault": "server", "times": 2}}, "unreachable"),
    ],
    ids=lambda each: each["chat"]["fault"] if isinstance(each, dict) else "",
)
def test_a_failed_answer_is_told_and_spoken_once(
    talking, counterpart, own_model, script, code
):
    counterpart.script(**script)
    person = converse(talking, own_model, ask_twice)
    (error,) = person.all("error")
    assert error["code"] == code
    said = [event["text"] for event in person.all("avatar.transcription")]
    assert said == [UNREACHABLE, "You said: Again?"]
    assert [each["text"] for each in counterpart.requests("speech")] == said
    times = script["chat"]["times"]
    assert len(counterpart.requests("chat")) == times + 1
    assert f"kind={code}" in talking.log_path.read_text()


async def ask_twice(person: Person) -> None:
    await person.send("avatar.speak_response", text="Hello?", event_id="1")
    await person.event("avatar.speak_ended")
    await person.event("avatar.transcription")
    await person.send("avatar.speak_response", text="Again?", event_id="2")
    await person.event("avatar.speak_ended", 2)
    await person.event("avatar.transcription", 2)


@best_of(3)
def test_the_excuse_for_a_failed_answer_is_heard(talking, counterpart, own_model):
    counterpart.script(chat={"fault": "auth", "times": 1})
    person = converse(talking, own_model, ask_twice)
    heard = voice.heard(person.recording, voice.RATE, UNREACHABLE)
    with figures():  # sound with gaps, of a busy machine, has no words
        assert heard == voice.words(UNREACHABLE)


def test_an_answer_that_is_lost_in_a_sentence_is_spoken_as_far_as_it_came(
    talking, counterpart, own_model
):
    text = "This is my first sentence. This is the second one, and it"
    count = len(text.split())
    lost = {"text": text + " is lost.", "break_after": count, "token_s": 0.02}
    counterpart.script(chat=[{**lost, "times": 1}])

    async def check(person: Person) -> None:
        await person.send("avatar.speak_response", text="Hello?")
        await person.event("avatar.speak_ended")
        await person.event("avatar.transcription")

    person = converse(talking, own_model, check)
    assert [error["code"] for error in person.all("error")] == ["cut"]
    (said,) = person.all("avatar.transcription")
    assert said["text"].startswith("This is my first sentence.")
    assert len(counterpart.requests("chat")) == 1


def test_speech_recognition_that_fails_ends_the_session_at_the_fourth_time(
    talking, counterpart, own_model
):
    counterpart.script(transcriptions={"fault": "server"})

    async def check(person: Person) -> None:
        for number in range(1, 5):
            await person.play(recording("long")[: 2 * voice.RATE])
            await person.event("error", number)
        stopped = await person.event("session.stopped")
        assert stopped["end_reason"] == "SERVER_ERROR"
        assert "4 times" in stopped["message"]

    person = converse(talking, own_model, check, microphone=True)
    assert [error["code"] for error in person.all("error")] == ["stt"] * 4
    assert counterpart.requests("chat") == []


def test_a_voice_that_fails_is_told_and_the_session_goes_on(
    talking, counterpart, own_model
):
    counterpart.script(speech={"fault": "server", "times": 1})

    async def check(person: Person) -> None:
        await person.send("avatar.speak_text", text="Nobody says this.")
        await person.event("error")
        await person.send("avatar.speak_text", text="Here I am.")
        await person.event("avatar.speak_ended")

    person = converse(talking, own_model, check)
    assert [error["code"] for error in person.all("error")] == ["tts"]


def test_a_voice_that_never_works_ends_the_session_at_the_fourth_time(
    talking, counterpart, own_model
):
    counterpart.script(speech={"fault": "server"})

    async def check(person: Person) -> None:
        for number in range(1, 5):
            await person.send("avatar.speak_text", text=f"Attempt {number}.")
            await person.event("error", number)
        stopped = await person.event("session.stopped")
        assert stopped["end_reason"] == "SERVER_ERROR"

    with_end = converse(talking, own_model, check)
    assert {error["code"] for error in with_end.all("error")} == {"tts"}
    item = ended(talking, with_end.events[0]["session_id"])
    assert item["end_reason"] == "SERVER_ERROR"


@pytest.mark.slow
def test_a_model_that_does_not_begin_is_told_after_one_retry(
    talking, counterpart, own_model
):
    counterpart.script(chat={"fault": "hang"})

    async def check(person: Person) -> None:
        await person.send("avatar.speak_response", text="Hello?")
        await person.event("avatar.speak_ended")

    person = converse(talking, own_model, check)
    assert [error["code"] for error in person.all("error")] == ["timeout"]
    assert len(counterpart.requests("chat")) == 2


def test_speech_during_the_opening_holds_it_after_a_while(talking, counterpart):
    """Take a voice in the first second for the echo of the avatar, a later one not."""
    counterpart.script(transcriptions={"text": ""})  # a cough, again and again
    opening = voice.counting(8)
    fields = {
        "mode": "FULL",
        "avatar_persona": {"context_id": context(talking, opening=opening)},
    }

    async def check(person: Person) -> None:
        await person.event("avatar.speak_started")
        await person.play(recording("long")[: 3 * voice.RATE])
        await person.event("avatar.speak_ended")
        await person.event("avatar.transcription")

    person = converse(talking, fields, check, microphone=True)
    (said,) = person.all("avatar.transcription")
    assert said["text"] == opening
    assert traced(talking, said, TurnHeld)[0].heard > 0.9 * voice.RATE
