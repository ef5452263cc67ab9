"""Conversations by Realtime: the unmodified plugin, the counterpart, a real link."""

import asyncio
import random

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from conversation.agent.link import ConversationOver
from protocol.link.messages import Happened, OpenTurn, StageTimes
from tests.conversation.by_realtime import newest_items, refused, talk, truncations
from tests.waiting import until_async

pytestmark = pytest.mark.process
STORY = {"seconds": 8}  # of counting: enough to be interrupted


def test_a_person_is_heard_and_answered(counterpart):
    async def check(talk, gateway):
        talk.person.say("What do you hear?")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        (turn,) = gateway.turns.values()
        assert turn.samples == turn.received > 0
        assert not turn.interrupted
        assert gateway.texts("user.transcription") == ["Hello there."]
        assert gateway.texts("avatar.transcription") == ["You said: Hello there."]
        chunks = gateway.texts("avatar.transcription.chunk")
        assert "".join(chunks).strip() == "You said: Hello there."
        user = [event for event in gateway.events() if event.startswith("user.")]
        assert user[:2] == ["user.speak_started", "user.speak_ended"]
        assert user[-1] == "user.transcription"

    talk(check, counterpart)
    assert refused(counterpart) == []


def test_the_stages_of_an_answer_are_told_in_their_order(counterpart):
    async def check(talk, gateway):
        talk.person.say("What do you hear?")
        await gateway.until(lambda: gateway.of(StageTimes))
        (stages,) = gateway.of(StageTimes)
        names = ["last_speech", "turn_end", "llm_first_token", "tts_first_audio"]
        assert list(stages.moments) == names
        assert sorted(stages.moments.values()) == list(stages.moments.values())

    talk(check, counterpart)


def test_the_opening_is_spoken_once_when_somebody_hears_it(counterpart):
    async def check(talk, gateway):
        await asyncio.sleep(0.3)
        assert not gateway.turns
        gateway.command("listener")
        gateway.command("listener")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        await asyncio.sleep(0.3)
        assert len(gateway.turns) == 1

    talk(check, counterpart, opening_text="Welcome to the test.")
    (connection,) = counterpart.connections()
    asked = [e for e in connection["received"] if e["type"] == "response.create"]
    assert "Welcome to the test." in asked[0]["response"]["instructions"]
    assert asked[0]["response"]["instructions"].startswith("You are a test.")


def test_commands_to_speak_are_spoken_in_order_and_name_their_source(counterpart):
    async def check(talk, gateway):
        gateway.command("speak_text", "First.", "1")
        gateway.command("speak_response", "What comes second?", "2")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        assert [turn.source for turn in gateway.turns.values()] == ["1", "2"]
        said = gateway.texts("avatar.transcription")
        assert said[1] == "You said: What comes second?"
        assert gateway.texts("user.transcription") == []

    talk(check, counterpart)
    assert refused(counterpart) == []


def test_the_users_voice_cuts_the_answer_where_it_was_heard(counterpart):
    counterpart.script(responses={**STORY, "times": 1})

    async def check(talk, gateway):
        gateway.command("speak_response", "Count.")
        await gateway.until(lambda: gateway.turns and gateway.turns[1].samples > 48_000)
        talk.person.say("Stop that now please.")
        await gateway.until(lambda: gateway.turns[1].finished_at is not None)
        turn = gateway.turns[1]
        assert turn.interrupted
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        heard = gateway.texts("avatar.transcription")[0].split()
        expected = round(turn.samples / turn.received * len(voice_words(talk)))
        assert abs(len(heard) - expected) <= 1

    def voice_words(talk):
        return "".join(talk.gateway.texts("avatar.transcription.chunk")).split()[:40]

    conversation = talk(check, counterpart)
    (at_ms,) = truncations(counterpart).values()
    assert abs(at_ms - conversation.gateway.turns[1].samples / 24) <= 1
    assert refused(counterpart) == []


def test_an_interruption_cuts_at_the_same_place_and_no_refusal_follows(counterpart):
    counterpart.script(responses=STORY)
    chance = random.Random(7)

    async def check(talk, gateway):
        for turn in range(1, 31):
            gateway.command("speak_response", "Count.", str(turn))
            await gateway.until(lambda turn=turn: turn in gateway.turns)
            await asyncio.sleep(chance.uniform(0, 0.6))
            gateway.interrupt()
            await gateway.until(
                lambda turn=turn: len(gateway.texts("avatar.transcription")) == turn
            )
        heard = [turn for turn in gateway.turns.values() if turn.samples]
        # The counterpart reads the last one a moment later.
        await until_async(lambda: len(told()) >= len(heard))

    def told() -> list[int]:
        return sorted(at_ms for at_ms in truncations(counterpart).values() if at_ms)

    conversation = talk(check, counterpart)
    turns = conversation.gateway.turns.values()
    assert len(turns) == 30
    assert all(turn.interrupted for turn in turns)
    assert refused(counterpart) == []
    cut_ms = sorted(turn.samples / 24 for turn in turns if turn.samples)
    told_ms = told()
    assert len(told_ms) == len(cut_ms)
    pairs = zip(told_ms, cut_ms, strict=True)
    assert all(abs(told - cut) <= 20 for told, cut in pairs)


def test_after_an_interruption_only_what_comes_later_is_heard(counterpart):
    counterpart.script(responses=[{**STORY, "when": {"contains": "count"}}])

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
    assert refused(counterpart) == []


def test_an_answer_that_nobody_heard_leaves_the_history_of_the_server(counterpart):
    counterpart.script(responses=[{**STORY, "when": {"contains": "count"}}])

    async def check(talk, gateway):
        for number in range(20):
            gateway.command("speak_response", "Count.")
            await asyncio.sleep(0.005 * number)
            gateway.interrupt()
        gateway.command("speak_response", "And now?", "end")
        said = "You said: And now?"
        await gateway.until(lambda: said in gateway.texts("avatar.transcription"))

    talk(check, counterpart)
    answers = [item for item in newest_items(counterpart) if item["sent_ms"]]
    whole = [item for item in answers if item["truncated_ms"] is None]
    assert [item["text"] for item in whole] == ["You said: And now?"]
    assert refused(counterpart) == []


def test_an_answer_that_the_server_has_just_begun_is_interrupted_too(counterpart):
    counterpart.script(responses={**STORY, "first_s": 0.5})

    async def check(talk, gateway):
        talk.person.say("Tell me a story.")
        await gateway.until(lambda: "user.speak_ended" in gateway.events())
        gateway.interrupt()
        await asyncio.sleep(2)
        assert all(turn.interrupted for turn in gateway.turns.values())
        assert not any(turn.samples for turn in gateway.turns.values())

    talk(check, counterpart)


@pytest.mark.parametrize("wait_s", [0, 0.02, 0.2])
def test_a_text_after_an_interruption_is_spoken_whatever_the_server_has_begun(
    counterpart, wait_s
):
    counterpart.script(
        responses=[
            {**STORY, "first_s": 0.3, "times": 1},
            {"text": "Only that."},
        ]
    )

    async def check(talk, gateway):
        talk.person.say("Tell me a story.")
        await gateway.until(lambda: "user.speak_ended" in gateway.events())
        await asyncio.sleep(wait_s)
        gateway.interrupt()
        gateway.command("speak_text", "Only that.", "later")
        await gateway.until(
            lambda: "Only that." in gateway.texts("avatar.transcription"), 15
        )
        heard = [turn.source for turn in gateway.turns.values() if turn.samples]
        assert heard == ["later"]
        assert "error" not in gateway.events()

    talk(check, counterpart)
    assert refused(counterpart) == []


def test_push_to_talk_hears_between_start_and_stop_alone(counterpart):
    async def check(talk, gateway):
        talk.person.say("Nobody hears that.")
        await asyncio.sleep(1.5)
        for number in (1, 2, 3):
            gateway.command("push_to_talk_start", event_id="start")
            talk.person.say(f"Number {number}.")
            await asyncio.sleep(1.0)
            gateway.command("push_to_talk_stop", event_id="stop")
            talk.person.say("Nobody hears that either.")
            await gateway.until(
                lambda number=number: (
                    len(gateway.texts("avatar.transcription")) == number
                )
            )
        assert gateway.texts("user.transcription") == ["Hello there."] * 3
        gateway.command("push_to_talk_start")
        gateway.command("push_to_talk_stop")  # nothing was said: no turn
        await asyncio.sleep(0.5)
        assert len(gateway.turns) == 3

    talk(check, counterpart, push_to_talk=True)
    assert refused(counterpart) == []
    (connection,) = counterpart.connections()
    heard_ms = [
        event["audio_ms"]
        for event in connection["received"]
        if event["type"] == "input_audio_buffer.append"
    ]
    assert sum(heard_ms) < 3 * 2000


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ({"keys": ["another"]}, "auth"),
        ({"models": ["another"]}, "model"),
        ({"handshakes": {"fault": "quota"}}, "quota"),
        ({"handshakes": {"fault": "server"}}, "unreachable"),
    ],
)
def test_a_provider_that_refuses_ends_the_conversation_with_the_reason(
    counterpart, caplog, script, code
):
    counterpart.script(**script)

    async def check(talk, gateway):
        gateway.command("speak_text", "Hello.")  # which nobody can speak
        gateway.command("listener")
        await gateway.until(lambda: talk.over is not None)

    conversation = talk(check, counterpart)
    over = conversation.over
    assert isinstance(over, ConversationOver) or (
        isinstance(over, BaseExceptionGroup)
        and isinstance(over := over.exceptions[0], ConversationOver)
    )
    assert (over.reason, over.code) == ("SERVER_ERROR", code)
    assert "sk-test-key" not in caplog.text + str(over)
    attempts = len(counterpart.requests("handshakes"))
    assert attempts == (3 if code == "unreachable" else 1)


@pytest.mark.parametrize(
    ("fault", "code"),
    [("rate", "quota"), ("server", "unreachable"), ("empty", "nonsense")],
)
def test_a_failed_answer_is_told_and_the_conversation_goes_on(counterpart, fault, code):
    counterpart.script(responses={"fault": fault, "times": 1})

    async def check(talk, gateway):
        gateway.command("speak_response", "One?", "1")
        await gateway.until(lambda: "error" in gateway.events())
        gateway.command("speak_response", "Two?", "2")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        assert gateway.texts("avatar.transcription") == ["You said: Two?"]
        (error,) = [each for each in gateway.of(Happened) if each.code]
        assert (error.code, error.source_event_id) == (code, "1")

    talk(check, counterpart)


def test_a_failed_answer_to_a_voice_names_no_command(counterpart):
    counterpart.script(responses={"fault": "server", "times": 1})

    async def check(talk, gateway):
        talk.person.say("What do you hear?")
        await gateway.until(lambda: "error" in gateway.events())
        (error,) = [each for each in gateway.of(Happened) if each.code]
        assert error.source_event_id is None

    talk(check, counterpart)


def test_a_connection_that_the_server_closes_is_made_anew_with_the_history(counterpart):
    async def check(talk, gateway):
        gateway.command("speak_response", "One?")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        counterpart.close()
        await asyncio.sleep(1)
        gateway.command("speak_response", "Two?")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        await until_async(lambda: len(newest_items(counterpart)) >= 4)
        assert "error" not in gateway.events()

    talk(check, counterpart)
    history = [item["text"] for item in newest_items(counterpart)]
    assert history == ["One?", "You said: One?", "Two?", "You said: Two?"]
    assert refused(counterpart) == []


def test_a_cut_after_a_new_connection_leaves_the_words_that_were_heard(counterpart):
    """All of the answer is there when the connection is lost, and is heard on."""
    counterpart.script(responses={**STORY, "times": 1})

    async def check(talk, gateway):
        gateway.command("speak_response", "Count.")
        await gateway.until(lambda: gateway.turns and gateway.turns[1].sealed)
        counterpart.drop()
        await asyncio.sleep(2)
        assert gateway.turns[1].finished_at is None
        gateway.interrupt()
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        (heard,) = gateway.texts("avatar.transcription")
        await until_async(
            lambda: [item["text"] for item in newest_items(counterpart)][1:] == [heard]
        )

    conversation = talk(check, counterpart)
    (heard,) = conversation.gateway.texts("avatar.transcription")
    history = [item["text"] for item in newest_items(counterpart)]
    assert history == ["Count.", heard]
    assert refused(counterpart) == []


def test_a_lost_connection_interrupts_the_answer_and_keeps_what_was_heard(counterpart):
    counterpart.script(responses={**STORY, "pace": 1, "times": 1})

    async def check(talk, gateway):
        gateway.command("speak_response", "Count.", "1")
        await gateway.until(lambda: gateway.turns and gateway.turns[1].samples > 48_000)
        counterpart.drop()
        await gateway.until(lambda: gateway.turns[1].finished_at is not None)
        assert gateway.turns[1].interrupted
        (error,) = [each for each in gateway.of(Happened) if each.code]
        assert (error.code, error.source_event_id) == ("cut", "1")
        gateway.command("speak_response", "And now?")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        await until_async(lambda: len(newest_items(counterpart)) >= 4)

    conversation = talk(check, counterpart)
    heard = conversation.gateway.texts("avatar.transcription")[0]
    _, connection = counterpart.connections()
    history = [(item["role"], item["text"]) for item in connection["items"]]
    assert history == [
        ("user", "Count."),
        ("assistant", heard),
        ("user", "And now?"),
        ("assistant", "You said: And now?"),
    ]
    assert refused(counterpart) == []


def test_turns_are_numbered_and_refused_ones_are_silent(counterpart):
    counterpart.script(responses=STORY)

    async def check(talk, gateway):
        gateway.interrupts += 1  # an interruption that the agent has not read
        gateway.command("speak_response", "Count.")
        await gateway.until(lambda: gateway.of(OpenTurn))
        await asyncio.sleep(0.5)
        assert gateway.turns[1].samples == 0

    talk(check, counterpart)
    assert refused(counterpart) == []
