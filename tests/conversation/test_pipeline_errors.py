"""Conversations in FULL mode whose services fail."""

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from tests.conversation.full_mode import (
    COUNTING,
    ended,
    errors,
    messages,
    recording,
    talk,
)

pytestmark = pytest.mark.process
EXCUSE = "I cannot reach my language model."


@pytest.mark.parametrize(
    ("script", "code", "asked"),
    [
        ({"keys": ["sk-test-stt", "sk-test-tts"]}, "auth", 1),
        ({"models": ["whisper-1", "tts-1"]}, "model", 1),
        ({"chat": {"fault": "quota"}}, "quota", 1),
        ({"chat": {"fault": "html"}}, "nonsense", 1),
        ({"chat": {"fault": "empty"}}, "nonsense", 1),
        ({"chat": {"fault": "no_words"}}, "nonsense", 1),
        ({"chat": {"fault": "server"}}, "unreachable", 2),
        ({"chat": {"fault": "drop"}}, "unreachable", 2),
    ],
)
def test_a_language_model_that_fails_is_told_once_and_said_aloud(
    counterpart, caplog, script, code, asked
):
    counterpart.script(**script)

    requests = []

    async def counted(talk, gateway):
        gateway.command("speak_response", "Hello?", "1")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        requests.extend(counterpart.requests("chat"))
        assert told(gateway) == [(code, "1")]
        assert gateway.texts("avatar.transcription") == [EXCUSE]
        (turn,) = gateway.turns.values()
        assert turn.samples == turn.received > 0
        counterpart.reset()
        gateway.command("speak_response", "Hello again.")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)

    talk(counted, counterpart)
    assert len(requests) == asked
    # The excuse is not the model's, and is not told to it.
    assert messages(counterpart) == [
        ("system", "You are a test."),
        ("user", "Hello?"),
        ("user", "Hello again."),
    ]
    ours = [each for each in caplog.records if each.name.startswith("conversation")]
    assert ours
    assert not any("sk-test" in each.getMessage() for each in ours)


def test_each_failure_names_its_own_command(counterpart):
    """The model is asked for an answer to the user while a text is still spoken."""
    counterpart.teach("hello", "Hello.", recording("hello"))
    counterpart.script(
        chat={"fault": "quota", "times": 1},
        speech=[{"when": {"contains": "never"}, "fault": "server"}],
    )

    async def check(talk, gateway):
        talk.person.play(recording("hello"))
        await talk.person.until_silent()
        gateway.command("speak_text", "One two three four five six seven.", "1")
        gateway.command("speak_text", "This is never spoken.", "2")
        await gateway.until(lambda: len(errors(gateway)) == 2)
        assert sorted(told(gateway)) == [("quota", None), ("tts", "2")]

    talk(check, counterpart)


def test_an_answer_that_breaks_off_is_spoken_as_far_as_it_came(counterpart):
    counterpart.script(chat={"text": COUNTING, "break_after": 6, "times": 1})

    async def check(talk, gateway):
        gateway.command("speak_response", "Count.", "1")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        assert gateway.texts("avatar.transcription") == ["One two three four five six"]
        assert told(gateway) == [("cut", "1")]

    talk(check, counterpart)
    assert len(counterpart.requests("chat")) == 1


@pytest.mark.parametrize("heard_samples", [0, 48_000])
@pytest.mark.parametrize("lost", ["chat", "speech"])
def test_the_history_has_only_what_was_heard_of_a_cut_answer_that_breaks_off(
    counterpart, heard_samples, lost
):
    breaks = {"break_after": 25} if lost == "chat" else {}
    chat = {"when": {"contains": "count"}, "text": COUNTING, **breaks}
    counterpart.script(
        chat=[{**chat, "times": 1}],
        speech=[{"break_after": 40, "times": 1}] if lost == "speech" else [],
    )

    async def check(talk, gateway):
        gateway.command("speak_response", "Please count.")
        await gateway.until(
            lambda: gateway.turns and gateway.turns[1].samples >= heard_samples
        )
        gateway.interrupt()
        gateway.command("speak_response", "And now?")
        said = "You said: And now?"
        await gateway.until(lambda: said in gateway.texts("avatar.transcription"))
        gateway.command("speak_response", "Again.")
        await gateway.until(
            lambda: "You said: Again." in gateway.texts("avatar.transcription")
        )

    conversation = talk(check, counterpart)
    *heard, _, _ = conversation.gateway.texts("avatar.transcription")
    if heard_samples:
        assert 0 < len(heard[0].split()) < 12  # of 30
    assert [text for _, text in messages(counterpart)] == [
        *("You are a test.", "Please count."),
        *filter(None, heard),
        *("And now?", "You said: And now?", "Again."),
    ]


def test_speech_recognition_that_fails_is_told_and_the_conversation_goes_on(
    counterpart,
):
    counterpart.teach("hello", "Hello.", recording("hello"))
    counterpart.script(transcriptions={"fault": "server", "times": 1})

    async def check(talk, gateway):
        talk.person.play(recording("hello"))
        await gateway.until(lambda: errors(gateway))
        assert told(gateway) == [("stt", None)]
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        talk.person.play(recording("hello"))
        await gateway.until(lambda: gateway.texts("user.transcription"))
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        assert gateway.texts("avatar.transcription")[1] == "You said: Hello."

    talk(check, counterpart)


def test_a_voice_that_fails_gives_the_turn_up_and_the_conversation_goes_on(counterpart):
    counterpart.script(
        speech={"fault": "server", "times": 1},
    )

    async def check(talk, gateway):
        gateway.command("speak_response", "One?", "1")
        await gateway.until(lambda: errors(gateway))
        assert told(gateway) == [("tts", "1")]
        gateway.command("speak_response", "Two?")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        assert gateway.texts("avatar.transcription") == ["You said: Two?"]

    talk(check, counterpart)
    assert messages(counterpart) == [
        ("system", "You are a test."),
        ("user", "One?"),
        ("user", "Two?"),
    ]


def test_a_voice_that_fails_in_an_answer_leaves_what_was_spoken(counterpart):
    first = "This is the first sentence."
    text = f"{first} And this one is the second, which is never spoken by the voice."
    counterpart.script(
        chat={"text": text, "times": 1},
        speech=[{"when": {"contains": "second"}, "fault": "server"}],
    )

    async def check(talk, gateway):
        gateway.command("speak_response", "Hello.")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        assert gateway.texts("avatar.transcription") == [first]
        (turn,) = gateway.turns.values()
        assert turn.samples == turn.received
        gateway.command("speak_response", "Again.")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)

    talk(check, counterpart)
    assert messages(counterpart)[2] == ("assistant", first)


@pytest.mark.parametrize("part", ["speech", "transcriptions"])
def test_four_failures_in_a_row_end_the_conversation(counterpart, part):
    counterpart.script(**{part: {"fault": "server"}})

    async def check(talk, gateway):
        for number in range(1, 5):
            if part == "speech":
                gateway.command("speak_text", "Hello.")
            else:
                talk.person.play(recording("hello"))
            await gateway.until(
                lambda number=number: (
                    len(errors(gateway)) >= number or talk.over is not None
                )
            )
        await gateway.until(lambda: talk.over is not None)

    conversation = talk(check, counterpart)
    over = ended(conversation)
    assert (over.reason, over.code) == ("SERVER_ERROR", part_code(part))
    assert "4 times" in over.text


def told(gateway) -> list[tuple[str, str | None]]:
    """Return the code of each error, and the id of the command that failed."""
    return [(each.code, each.source_event_id) for each in errors(gateway)]


def part_code(part: str) -> str:
    return {"speech": "tts", "transcriptions": "stt"}[part]
