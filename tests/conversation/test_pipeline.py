"""Conversations in FULL mode: the unmodified plugins, the counterpart, a real link."""

import asyncio

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from conversation.agent.conversation import MAX_ASKED
from conversation.agent.engine import MAX_HISTORY
from protocol.link.messages import MOMENTS, Hold, StageTimes
from tests.conversation.full_mode import COUNTING, errors, messages, recording, talk
from tests.conversation.talks import FullTalk
from tests.openai_counterpart import voice
from tests.waiting import until_async

pytestmark = pytest.mark.process


def test_a_person_is_heard_and_answered(counterpart):
    counterpart.teach("question", "What do you hear?", recording("question"))

    async def check(talk, gateway):
        talk.person.play(recording("question"))
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        (turn,) = gateway.turns.values()
        assert turn.samples == turn.received > 0
        assert not turn.interrupted
        assert gateway.texts("user.transcription") == ["What do you hear?"]
        said = "You said: What do you hear?"
        assert gateway.texts("avatar.transcription") == [said]
        assert "".join(gateway.texts("avatar.transcription.chunk")) == said
        user = [event for event in gateway.events() if event.startswith("user.")]
        assert user == ["user.speak_started", "user.speak_ended", "user.transcription"]
        assert len(gateway.of(StageTimes)) == 1

    talk(check, counterpart)
    assert messages(counterpart) == [
        ("system", "You are a test."),
        ("user", "What do you hear?"),
    ]


def test_the_opening_is_spoken_once_when_somebody_hears_it(counterpart):
    async def check(talk, gateway):
        await asyncio.sleep(0.3)
        assert not gateway.turns
        gateway.command("listener")
        gateway.command("listener")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        await asyncio.sleep(0.3)
        assert gateway.texts("avatar.transcription") == ["Welcome to the test."]
        assert len(gateway.turns) == 1

    talk(check, counterpart, opening_text="Welcome to the test.")
    assert counterpart.requests("chat") == []


def test_commands_to_speak_are_spoken_in_order_and_name_their_source(counterpart):
    async def check(talk, gateway):
        gateway.command("speak_text", "First, as it is.", "1")
        gateway.command("speak_response", "What comes second?", "2")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        assert [turn.source for turn in gateway.turns.values()] == ["1", "2"]
        said = ["First, as it is.", "You said: What comes second?"]
        assert gateway.texts("avatar.transcription") == said
        assert gateway.texts("user.transcription") == []

    talk(check, counterpart)
    assert messages(counterpart) == [
        ("system", "You are a test."),
        ("assistant", "First, as it is."),
        ("user", "What comes second?"),
    ]


def test_the_users_words_cut_the_answer_and_the_history_has_what_was_heard(counterpart):
    counterpart.teach("question", "Stop that, please.", recording("question"))
    counterpart.script(chat=[{"when": {"contains": "count"}, "text": COUNTING}])

    async def check(talk, gateway):
        gateway.command("speak_response", "Please count.")
        await gateway.until(lambda: gateway.turns and gateway.turns[1].samples > 48_000)
        talk.person.play(recording("question"))
        await gateway.until(lambda: gateway.held)
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        turn = gateway.turns[1]
        assert turn.interrupted
        pcm = voice.np.frombuffer(turn.pcm[: turn.samples * 2], "<i2")
        spoken = voice.heard(pcm, 24_000, COUNTING)
        heard = gateway.texts("avatar.transcription")[0].split()
        assert abs(len(heard) - len(spoken)) <= 1
        assert COUNTING.startswith(" ".join(heard))

    conversation = talk(check, counterpart)
    heard = conversation.gateway.texts("avatar.transcription")[0]
    assert messages(counterpart) == [
        ("system", "You are a test."),
        ("user", "Please count."),
        ("assistant", heard),
        ("user", "Stop that, please."),
    ]


def test_a_voice_without_words_holds_the_answer_and_it_goes_on_where_it_was(
    counterpart,
):
    counterpart.teach("long", "", recording("long"))
    counterpart.script(
        chat=[{"text": COUNTING * 2}], transcriptions=[{"fault": "no_words"}]
    )

    async def check(talk, gateway):
        gateway.command("speak_response", "Please count.")
        await gateway.until(lambda: gateway.turns and gateway.turns[1].samples > 48_000)
        talk.person.play(recording("long")[: 24_000 * 2])
        await gateway.until(lambda: gateway.released_at is not None)
        assert gateway.released_at == gateway.held_at
        await gateway.until(lambda: gateway.texts("avatar.transcription"), 60)
        turn = gateway.turns[1]
        assert turn.samples == turn.received
        assert gateway.texts("avatar.transcription") == [(COUNTING * 2).strip()]

    talk(check, counterpart)


def test_a_voice_that_is_too_short_to_barge_in_holds_nothing(counterpart):
    counterpart.script(
        chat=[{"text": COUNTING * 2}], transcriptions=[{"fault": "no_words"}]
    )

    async def check(talk, gateway):
        gateway.command("speak_response", "Please count.")
        await gateway.until(lambda: gateway.turns and gateway.turns[1].samples > 48_000)
        talk.person.play(recording("long")[: 24_000 * 2])
        await gateway.until(lambda: "user.speak_ended" in gateway.events())
        await gateway.until(lambda: gateway.texts("avatar.transcription"), 60)
        assert gateway.of(Hold) == []
        assert gateway.texts("avatar.transcription") == [(COUNTING * 2).strip()]

    talk(check, counterpart, barge_in_s=5.0)


def test_after_an_interruption_only_what_comes_later_is_heard(counterpart):
    counterpart.script(chat=[{"when": {"contains": "count"}, "text": COUNTING}])

    async def check(talk, gateway):
        for number in range(5):
            gateway.command("speak_response", "Count.", "old")
            await asyncio.sleep(0.05 * number)
            gateway.interrupt()
            gateway.command("speak_response", f"New {number}.", "new")
            said = f"You said: New {number}."
            await gateway.until(
                lambda said=said: said in gateway.texts("avatar.transcription")
            )
        for turn in gateway.turns.values():
            assert turn.interrupted == (turn.source == "old")

    talk(check, counterpart)


def test_push_to_talk_hears_between_start_and_stop_alone(counterpart):
    counterpart.teach("hello", "Hello.", recording("hello"))
    counterpart.teach("question", "Nobody hears that.", recording("question"))

    async def check(talk, gateway):
        talk.person.play(recording("question"))
        await talk.person.until_silent()
        for number in (1, 2):
            gateway.command("push_to_talk_start", event_id="start")
            talk.person.play(recording("hello"))
            await talk.person.until_silent()
            gateway.command("push_to_talk_stop", event_id="stop")
            talk.person.play(recording("question"))
            await gateway.until(
                lambda number=number: (
                    len(gateway.texts("avatar.transcription")) == number
                )
            )
            await talk.person.until_silent()
        assert gateway.texts("user.transcription") == ["Hello."] * 2
        gateway.command("push_to_talk_start")
        gateway.command("push_to_talk_stop")  # nothing was said: no turn
        await asyncio.sleep(0.5)
        assert len(gateway.turns) == 2

    talk(check, counterpart, push_to_talk=True)
    heard_s = [each["audio_s"] for each in counterpart.requests("transcriptions")]
    assert max(heard_s) < 3.2


def test_without_a_context_it_hears_and_never_answers(counterpart):
    counterpart.teach("hello", "Hello.", recording("hello"))

    async def check(talk, gateway):
        talk.person.play(recording("hello"))
        await gateway.until(lambda: gateway.texts("user.transcription"))
        gateway.command("speak_response", "Hello?", "7")
        gateway.command("speak_text", "I speak this.", "8")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        await asyncio.sleep(0.5)
        assert gateway.texts("avatar.transcription") == ["I speak this."]
        (error,) = errors(gateway)
        assert (error.code, error.source_event_id) == ("invalid_request", "7")

    talk(check, counterpart, answers=False)
    assert counterpart.requests("chat") == []


def test_the_stages_of_an_answer_are_told_in_their_order(counterpart):
    counterpart.teach("hello", "Hello.", recording("hello"))

    async def check(talk, gateway):
        for number in (1, 2):
            talk.person.play(recording("hello"))
            await gateway.until(
                lambda number=number: len(gateway.of(StageTimes)) == number
            )
            await gateway.until(
                lambda number=number: (
                    len(gateway.texts("avatar.transcription")) == number
                )
            )
        for stages in gateway.of(StageTimes):
            assert tuple(stages.moments) == MOMENTS[:-1]  # nothing was waited for
            moments = list(stages.moments.values())
            assert sorted(moments) == moments

    talk(check, counterpart)


def test_nothing_is_left_of_a_conversation(counterpart):
    async def check(talk, gateway):
        for number in range(1, 9):
            gateway.command("speak_response", f"Number {number}.")
            await gateway.until(
                lambda number=number: (
                    len(gateway.texts("avatar.transcription")) == number
                )
            )
        assert len(talk.engine.session._recorded_events) < 30

    async def main():
        conversation = FullTalk(counterpart.url)
        async with conversation.running():
            await check(conversation, conversation.gateway)
        me = asyncio.current_task()
        await until_async(lambda: asyncio.all_tasks() == {me})

    asyncio.run(main())


def test_an_hour_of_talk_keeps_the_instructions_and_the_newest_messages(counterpart):
    async def check(talk, gateway):
        history = talk.engine.agent._chat_ctx
        for number in range(MAX_HISTORY):
            history.add_message(role="user", content=f"Question {number}.")
            history.add_message(role="assistant", content=f"Answer {number}.")
        gateway.command("speak_text", "Hello.")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        gateway.command("speak_response", "Go on.")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)

    talk(check, counterpart)
    asked = messages(counterpart)
    assert len(asked) <= MAX_HISTORY + 4
    assert asked[0] == ("system", "You are a test.")
    assert asked[-2:] == [("assistant", "Hello."), ("user", "Go on.")]


def test_texts_that_wait_are_bounded_and_their_refusal_names_the_command(counterpart):
    counterpart.script(chat={"fault": "hang"})

    async def check(talk, gateway):
        for number in range(MAX_ASKED + 10):
            gateway.command("speak_response", "And then?", str(number))
        await gateway.until(lambda: errors(gateway))
        refused = errors(gateway)[0]
        assert refused.code == "invalid_request"
        assert int(refused.source_event_id) >= MAX_ASKED

    talk(check, counterpart)
