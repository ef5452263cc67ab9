"""Conversation in FULL mode in a real room: a person speaks, and cuts the avatar."""

import asyncio

import numpy as np
import pytest

from bench.probe.stack import Gateway
from tests.e2e.calls import with_key
from tests.e2e.talking import LOUD, Person, context, running_session
from tests.openai_counterpart import voice
from tests.waiting import best_of, figures, until_async

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from tests.conversation.full_mode import COUNTING, recording

pytestmark = [pytest.mark.livekit, pytest.mark.process]


def lines(gateway: Gateway, session: dict) -> list[tuple[str, str]]:
    """Return roles and texts of the stored transcript."""
    path = f"/v1/sessions/{session['session_id']}/transcript"
    data = with_key(gateway).data("GET", path)
    return [(line["role"], line["transcript"]) for line in data["transcript_data"]]


@best_of(3)
def test_a_person_is_answered_and_cuts_the_answer(talking, counterpart):
    counterpart.teach("hello", "Please count.", recording("hello"))
    counterpart.teach("question", "Stop that, please.", recording("question"))
    counterpart.script(chat=[{"when": {"contains": "count"}, "text": COUNTING}])
    opening = "Welcome, my friend."
    persona = {"context_id": context(talking, opening=opening)}

    async def main(session: dict) -> tuple[list[str], np.ndarray]:
        person = Person()
        async with person.visiting(session, microphone=True):
            await person.event("avatar.speak_ended")
            begin = len(person.sound)
            await person.play(recording("hello"))
            await person.event("avatar.speak_started", 2)
            await asyncio.sleep(2)
            await person.play(recording("question"))
            await person.event("avatar.transcription", 2)
            end = len(person.sound)
            await person.event("avatar.speak_ended", 3)
            said = person.texts("user.transcription")
            assert said == ["Please count.", "Stop that, please."]
            assert person.kinds.count("avatar.speak_started") == 3
            heard = person.texts("avatar.transcription")
            await until_async(lambda: len(lines(talking, session)) == 5)
            # The words that cut an answer are known before it is cut.
            stored = lines(talking, session)
            assert stored[:2] == [("avatar", opening), ("user", "Please count.")]
            assert set(stored[2:4]) == {
                ("avatar", heard[1]),
                ("user", "Stop that, please."),
            }
            assert stored[4] == ("avatar", "You said: Stop that, please.")
            assert COUNTING.startswith(heard[1])
            return heard, np.concatenate([pcm for _, pcm in person.sound[begin:end]])

    with running_session(talking, mode="FULL", avatar_persona=persona) as session:
        heard, sound = asyncio.run(main(session))
    words = voice.heard(sound, voice.RATE, COUNTING)
    with figures():  # sound with gaps, of a busy machine, has no words
        assert len(words) > 2
        assert abs(len(words) - len(heard[1].split())) <= 1
    body = counterpart.requests("chat")[-1]["body"]
    assert [(each["role"], each["content"]) for each in body["messages"]] == [
        ("system", "Be kind."),
        ("assistant", opening),
        ("user", "Please count."),
        ("assistant", heard[1]),
        ("user", "Stop that, please."),
    ]


@best_of(3)
def test_a_voice_without_words_leaves_one_gap_in_what_is_heard(talking, counterpart):
    counterpart.script(transcriptions={"fault": "no_words"})
    text = voice.counting(9)
    persona = {"context_id": context(talking)}

    async def main(session: dict) -> Person:
        async with Person().visiting(session, microphone=True) as person:
            await person.send("avatar.speak_text", text=text)
            await person.event("avatar.speak_started")
            await asyncio.sleep(2)  # a voice in the first second may be an echo
            await person.play(recording("long")[: voice.RATE])
            await person.event("avatar.speak_ended")
            await person.event("avatar.transcription")
            await asyncio.sleep(1)  # the last sound is on its way
        return person

    with running_session(talking, mode="FULL", avatar_persona=persona) as session:
        person = asyncio.run(main(session))
    assert person.kinds.count("avatar.speak_started") == 1
    assert person.kinds.count("avatar.speak_ended") == 1
    assert person.texts("avatar.transcription") == [text]
    assert person.texts("user.transcription") == []
    lengths_s, spoken_s = gaps_in(person.recording)
    with figures():  # a busy machine makes gaps of its own
        assert len(lengths_s) == 1
        # Two seconds without words, and the silence that ends an utterance.
        assert 1.5 < lengths_s[0] < 4
        # Nothing is lost, and nothing is heard twice.
        assert abs(spoken_s - voice.seconds(text)) < 0.3


def gaps_in(sound: np.ndarray) -> tuple[list[float], float]:
    """Return the silences of over 0.4 s between sounds, and the length of the rest."""
    loud = np.flatnonzero(np.abs(sound) > LOUD)
    steps_s = np.diff(loud) / voice.RATE
    gaps_s = steps_s[steps_s > 0.4]
    return gaps_s.tolist(), (loud[-1] - loud[0]) / voice.RATE - gaps_s.sum()
