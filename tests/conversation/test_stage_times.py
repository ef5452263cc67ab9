"""Moments of answers: which speeches have them, and from when on they are counted."""

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from conversation.agent.stage_times import TurnMoments
from protocol.link.messages import StageTimes
from tests.conversation.by_realtime import talk as realtime_talk
from tests.conversation.full_mode import recording, talk
from tests.conversation.test_speaker import Handle


class Now:
    """Clock that a test moves."""

    at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def now() -> Now:
    return Now()


def test_a_speech_that_answers_nothing_has_no_moments(now):
    moments, text, voice = TurnMoments(now), Handle("text"), Handle("voice")
    moments.begin_asked(text, is_answer=False)
    moments.begin(last_speech=0.0)
    moments.mark("first_sentence", text)
    assert moments.take(text) == {}
    assert moments.take(voice) == {"last_speech": 0.0, "tts_first_audio": 0.0}
    assert moments.take(Handle("excuse")) == {}


def test_moments_after_the_first_audio_belong_to_no_later_answer(now):
    moments, first, second = TurnMoments(now), Handle("first"), Handle("second")
    moments.begin_asked(first, is_answer=True)
    moments.take(first)
    moments.mark("llm_first_token", first)
    now.at_s = 5.0
    moments.begin_asked(second, is_answer=True)
    moments.mark("llm_first_token", second)
    assert moments.take(second) == {
        "turn_end": 5.0,
        "llm_first_token": 5.0,
        "tts_first_audio": 5.0,
    }


def test_moments_of_speeches_that_are_over_are_not_kept(now):
    moments, speech = TurnMoments(now), Handle()
    moments.begin_asked(speech, is_answer=True)
    speech.done(speech)
    assert moments.take(speech) == {}


def test_audio_that_comes_when_the_speech_before_is_over_has_not_waited(now):
    moments, speech = TurnMoments(now), Handle()
    moments.begin_asked(speech, is_answer=True)
    now.at_s = 2.0
    moments.mark("tts_first_audio", speech)
    now.at_s = 2.5
    assert moments.take(speech, free_s=1.0) == {"turn_end": 0, "tts_first_audio": 2.5}


@pytest.mark.process
def test_openings_and_texts_have_no_stages_and_answers_have_their_own(counterpart):
    async def check(talk, gateway):
        gateway.command("listener")
        gateway.command("speak_text", "One. Two. Three.", "a")
        gateway.command("speak_response", "What?", "b")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 3)
        (stages,) = gateway.of(StageTimes)
        assert gateway.turns[stages.turn].source == "b"
        names = ["turn_end", "llm_first_token", "first_sentence", "tts_first_audio"]
        assert list(stages.moments) == names
        # Asked for when the speeches before it were over.
        before = [t.finished_at for t in gateway.turns.values() if t.source != "b"]
        assert stages.moments["turn_end"] >= max(before)

    talk(check, counterpart, opening_text="Welcome. It is good that you are here.")


@pytest.mark.process
def test_an_answer_by_realtime_begins_when_it_is_asked_for(counterpart):
    async def check(talk, gateway):
        gateway.command("listener")
        gateway.command("speak_response", "What?", "b")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) == 2)
        (stages,) = gateway.of(StageTimes)
        assert gateway.turns[stages.turn].source == "b"
        assert list(stages.moments) == [
            "turn_end",
            "llm_first_token",
            "tts_first_audio",
        ]
        assert stages.moments["turn_end"] >= gateway.turns[1].finished_at

    realtime_talk(check, counterpart, opening_text="Welcome.")


@pytest.mark.process
def test_an_answer_waits_for_a_text_that_is_spoken_first(counterpart):
    counterpart.teach("hello", "Hello.", recording("hello"))
    counterpart.script(transcriptions={"first_s": 0.5})

    async def check(talk, gateway):
        gateway.command("push_to_talk_start")
        talk.person.play(recording("hello"))
        await talk.person.until_silent()
        gateway.command("push_to_talk_stop")
        # Long enough for a busy machine to have the answer's voice before its end.
        gateway.command("speak_text", "One two three four five six seven. " * 3, "a")
        await gateway.until(lambda: gateway.of(StageTimes))
        (stages,) = gateway.of(StageTimes)
        assert stages.turn == 2
        moments = stages.moments
        names = ["llm_first_token", "first_sentence", "tts_first_audio", "queue"]
        assert list(moments)[-4:] == names
        over = gateway.turns[1].finished_at
        assert moments["tts_first_audio"] < over <= moments["queue"]

    talk(check, counterpart, push_to_talk=True)
