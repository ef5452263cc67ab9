"""Conversations by Gemini: the plugin, a counterpart, and a real link."""

import asyncio

import pytest

pytest.importorskip("livekit.plugins.google", reason="needs livekit-plugins-google")
pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from conversation.agent.engine import MAX_HISTORY
from conversation.agent.gemini import gemini_engine, gemini_fault
from conversation.agent.link import ConversationOver
from protocol.link.messages import Happened, StageTimes
from protocol.link.settings import ConversationSettings, Endpoint
from tests.conversation.gemini_counterpart import KEY, GeminiCounterpart
from tests.conversation.talks import Talk
from tests.waiting import until_async

pytestmark = [
    pytest.mark.process,
    # The plugin uses what its libraries have renamed.
    pytest.mark.filterwarnings("ignore:.*generation_config.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:ConnectionClosed.code:DeprecationWarning"),
]
MODEL = "gemini-3.1-flash-live-preview"
STORY = " ".join(["one", "two", "three", "four", "five"] * 6)


def talk(check, counterpart, *, model=MODEL, key=KEY, **changes) -> Talk:
    """Run ``check`` in a conversation; return it when it is over."""

    async def main():
        async with counterpart.running() as url:
            endpoint = Endpoint(url, model, key, "Kore", trusted=True)
            values = {"instructions": "You are a test.", **changes}
            settings = ConversationSettings(
                session_id="session",
                room_url="ws://room",
                room_token="token",
                avatar_identity="avatar",
                mode="GEMINI_REALTIME",
                realtime=endpoint,
                temperature=1.5,
                **values,
            )
            conversation = Talk(settings, gemini_engine)
            async with conversation.running():
                await check(conversation, conversation.gateway)
            return conversation

    return asyncio.run(main())


def test_a_person_is_heard_and_answered():
    counterpart = GeminiCounterpart()

    async def check(talk, gateway):
        talk.person.say("What do you hear?")
        await gateway.until(lambda: gateway.texts("avatar.transcription"))
        (turn,) = gateway.turns.values()
        assert turn.samples == turn.received > 0
        assert not turn.interrupted
        assert gateway.texts("user.transcription") == ["Hello there."]
        assert gateway.texts("avatar.transcription") == ["You said: Hello there."]
        user = [event for event in gateway.events() if event.startswith("user.")]
        told = ["user.transcription.chunk", "user.speak_ended", "user.transcription"]
        assert user == ["user.speak_started", *told]
        events = gateway.events()
        said = events.index("avatar.transcription.chunk")
        assert events.index("user.transcription") < said
        (stages,) = gateway.of(StageTimes)
        assert next(iter(stages.moments)) == "last_speech"
        assert sorted(stages.moments.values()) == list(stages.moments.values())

    talk(check, counterpart)
    assert counterpart.refused == []
    (setup,) = counterpart.setups
    assert setup.system_instruction.parts[0].text == "You are a test."
    config = setup.generation_config
    assert config.temperature == 1.5
    spoken = config.speech_config.voice_config.prebuilt_voice_config
    assert spoken.voice_name == "Kore"


@pytest.mark.parametrize("model", [MODEL, "gemini-2.5-flash-live"])
def test_the_opening_and_commands_are_spoken_in_order(model):
    counterpart = GeminiCounterpart()

    async def check(talk, gateway):
        gateway.command("listener")
        gateway.command("speak_text", "Second text.", "2")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        assert [turn.source for turn in gateway.turns.values()] == [None, "2"]
        if model == MODEL:
            said = ["Welcome to the test.", "Second text."]
            assert gateway.texts("avatar.transcription") == said
            gateway.command("speak_response", "What is third?", "3")
            await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 3)
            said = gateway.texts("avatar.transcription")[2]
            assert said == "You said: What is third?"
        assert gateway.texts("user.transcription") == []

    talk(
        check,
        counterpart,
        model=model,
        opening_text="Welcome to the test.",
        instructions="",
    )
    assert counterpart.refused == []
    assert counterpart.setups[0].system_instruction is None


def test_the_users_voice_cuts_the_answer():
    counterpart = GeminiCounterpart(answer=STORY)

    async def check(talk, gateway):
        gateway.command("speak_response", "Count.")
        await gateway.until(lambda: gateway.turns and gateway.turns[1].samples > 36_000)
        counterpart.answer = "Yes?"
        talk.person.say("Stop that now please.")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        turn = gateway.turns[1]
        assert turn.interrupted
        assert turn.samples < turn.received
        heard, answer = gateway.texts("avatar.transcription")
        assert STORY.startswith(heard)
        assert len(heard) < len(STORY)
        assert answer == "Yes?"

    talk(check, counterpart)
    assert counterpart.refused == []


@pytest.mark.parametrize("begins_after_s", [0.0, 2.0])
def test_nothing_that_was_interrupted_is_heard_later(begins_after_s):
    counterpart = GeminiCounterpart(answer=STORY, begins_after_s=begins_after_s)

    async def check(talk, gateway):
        gateway.command("speak_response", "Count.", "1")
        if begins_after_s:
            async with asyncio.timeout(30):
                while not talk.engine._server.is_asked:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
        else:
            await gateway.until(lambda: gateway.turns and gateway.turns[1].samples)
        gateway.interrupt()
        counterpart.answer = ""
        gateway.command("speak_text", "Only this.", "2")
        heard = gateway.texts
        await gateway.until(lambda: "Only this." in heard("avatar.transcription"))
        spoken = [turn for turn in gateway.turns.values() if turn.samples]
        assert spoken[-1].source == "2"
        assert [turn.interrupted for turn in spoken[:-1]] == [True] * (len(spoken) - 1)
        assert len(spoken) == (1 if begins_after_s else 2)

    talk(check, counterpart)
    assert counterpart.refused == []


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"key": "wrong"}, "auth", "refuses its API key"),
        ({"model": "unknown"}, "model", "does not have this model"),
    ],
)
def test_a_refusal_ends_the_session_with_its_reason(changes, code, text):
    counterpart = GeminiCounterpart()

    async def check(talk, gateway):
        await gateway.until(lambda: talk.over is not None)

    over = talk(check, counterpart, **changes).over
    assert isinstance(over, ConversationOver) or (
        isinstance(over, BaseExceptionGroup)
        and isinstance(over := over.exceptions[0], ConversationOver)
    )
    assert (over.reason, over.code) == ("SERVER_ERROR", code)
    assert text in str(over)
    assert KEY not in str(over)


def test_an_answer_without_a_voice_is_an_error():
    counterpart = GeminiCounterpart(silent=True)

    async def check(talk, gateway):
        gateway.command("speak_response", "Say nothing.", "1")
        await gateway.until(lambda: gateway.texts("error"))
        (error,) = [each for each in gateway.of(Happened) if each.event == "error"]
        assert (error.code, error.source_event_id) == ("nonsense", "1")

    talk(check, counterpart)


def test_it_goes_on_after_the_connection_was_lost():
    counterpart = GeminiCounterpart(answer=STORY, close_after=8)

    async def check(talk, gateway):
        gateway.command("speak_response", "Count.", "1")
        await gateway.until(lambda: gateway.texts("error"))
        (error,) = [each for each in gateway.of(Happened) if each.event == "error"]
        assert (error.code, error.source_event_id) == ("cut", "1")
        counterpart.answer = "Here again."
        gateway.command("speak_response", "Are you there?", "2")
        heard = gateway.texts
        await gateway.until(lambda: "Here again." in heard("avatar.transcription"))
        assert STORY.startswith(heard("avatar.transcription")[0])

    talk(check, counterpart)
    assert len(counterpart.setups) == 2


def test_after_an_hour_of_talk_a_new_connection_gets_the_newest_messages():
    counterpart = GeminiCounterpart(answer=STORY, close_after=8)

    async def check(talk, gateway):
        server = talk.engine._server
        await until_async(lambda: server._active_session)
        for history in (talk.engine.agent._chat_ctx, server._chat_ctx):
            for number in range(MAX_HISTORY):
                history.add_message(role="user", content=f"Question {number}.")
                history.add_message(role="assistant", content=f"Answer {number}.")
        gateway.command("speak_response", "Count.", "1")
        await until_async(lambda: len(counterpart.setups) == 2)
        await until_async(counterpart.history)

    talk(check, counterpart)
    told = counterpart.history()
    assert MAX_HISTORY / 2 < len(told) <= MAX_HISTORY + 4
    newest = ("model", f"Answer {MAX_HISTORY - 1}."), ("user", "Count.")
    assert told[told.index(newest[0]) :][:2] == [*newest]


@pytest.mark.parametrize("cut", ["while it is lost", "later", "by voice", "never"])
def test_a_new_connection_has_only_what_was_heard_of_an_answer(cut):
    counterpart = GeminiCounterpart(answer=STORY, close_after=12)
    said = ("user", "Count.")

    async def check(talk, gateway):
        gateway.command("speak_response", "Count.", "1")
        await gateway.until(lambda: gateway.turns and gateway.turns[1].samples > 12_000)
        if cut != "never":  # on a busy machine it would be heard before it is cut
            gateway.held = True
        await gateway.until(lambda: gateway.turns[1].sealed)
        counterpart.answer = "Here again."
        if cut != "while it is lost":
            await until_async(lambda: counterpart.history() == [said])
        if cut == "by voice":
            talk.person.say("Stop that now please.")
        else:
            if cut != "never":
                gateway.interrupt()
            gateway.command("speak_response", "And now?", "2")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        assert not gateway.turns[2].interrupted
        await until_async(lambda: len(counterpart.history()) > 1)

    conversation = talk(check, counterpart)
    heard, _ = conversation.gateway.texts("avatar.transcription")
    whole = " ".join(STORY.split()[:12])
    assert whole.startswith(heard)
    assert (heard == whole) == (cut == "never")
    asked = [] if cut == "by voice" else [("user", "And now?")]
    assert counterpart.history() == [said, ("model", heard), *asked]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1011 None. You exceeded your current quota, please check your plan", "quota"),
        ("1008 None. Your API key was reported as leaked.", "auth"),
        ("1007 None. Request contains an invalid argument.", "model"),
        ("1011 None. Internal error occurred.", "unreachable"),
    ],
)
def test_the_reason_of_a_closed_connection_is_read(text, kind):
    assert gemini_fault(RuntimeError(text), begun=False).kind == kind
