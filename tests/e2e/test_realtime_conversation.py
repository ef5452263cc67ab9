"""Conversation by Realtime in a real room: a person speaks, another one listens."""

import asyncio
import random
import time

import numpy as np
import pytest

from lite_gateway.playout.trace import TurnCut
from tests.e2e.calls import ended
from tests.e2e.talking import (
    Person,
    realtime,
    running_session,
    started,
    talking_gateway,
)
from tests.e2e.traced import traced
from tests.openai_counterpart import voice
from tests.waiting import best_of, figures, until_async

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")
pytestmark = [pytest.mark.livekit, pytest.mark.process]

CUTS = 30
KEY = "sk-e2e-of-cuts"


@pytest.fixture(scope="module")
def talking(livekit, counterpart_process, tmp_path_factory):
    """Run a gateway whose Realtime service is the counterpart."""
    log_path = tmp_path_factory.mktemp("realtime") / "log"
    with talking_gateway(livekit, log_path, counterpart_process) as running:
        yield running


def stops(counterpart) -> list[int]:
    """Return the milliseconds at which answers were truncated, in their order."""
    return [
        event["audio_end_ms"]
        for connection in counterpart.connections()
        if connection["key"] == KEY
        for event in connection["received"]
        if event["type"] == "conversation.item.truncate"
    ]


def refused(counterpart) -> list:
    """Return what was refused but a cancellation that the end of an answer met."""
    met = "response_cancel_not_active"
    return [each for each in counterpart.refused() if each["error"]["code"] != met]


@best_of(3)
def test_a_person_speaks_and_hears_the_answer(talking, counterpart):
    async def main(session: dict) -> tuple[str, np.ndarray]:
        person = Person()
        async with person.visiting(session, microphone=True):
            await person.event("avatar.speak_ended")
            await person.say("What do you hear?")
            await person.event("avatar.speak_ended", 2)
            await person.event("avatar.transcription", 2)
            assert person.texts("user.transcription") == ["Hello there."]
            assert person.texts("avatar.transcription")[1] == "You said: Hello there."
            assert person.kinds.count("avatar.speak_started") == 2
            # The events arrive before the last sound has been played.
            await until_async(lambda: time.monotonic() - person.loud()[-1] > 1)
            return " ".join(person.texts("avatar.transcription")), person.recording

    fields = realtime(talking, opening="Welcome, my friend.")
    with running_session(talking, **fields) as session:
        said, sound = asyncio.run(main(session))
    assert refused(counterpart) == []
    with figures():  # sound with gaps, of a busy machine, has no words
        assert voice.heard(sound, voice.RATE, said) == voice.words(said)


def test_push_to_talk_bounds_what_the_model_hears(talking, counterpart):
    async def main(session: dict) -> None:
        person = Person()
        async with person.visiting(session, microphone=True):
            await person.say("Nobody hears that.")
            await person.send("user.start_push_to_talk", event_id="1")
            assert (await person.answer("1"))["event_type"].endswith("_started")
            await person.say("What do you hear?")
            await person.send("user.stop_push_to_talk", event_id="2")
            assert (await person.answer("2"))["event_type"].endswith("_stopped")
            await person.say("Nor that.")
            await person.event("avatar.transcription")
            assert person.texts("user.transcription") == ["Hello there."]
            assert person.kinds.count("avatar.speak_started") == 1

    fields = {**realtime(talking), "interactivity_type": "PUSH_TO_TALK"}
    with running_session(talking, **fields) as session:
        asyncio.run(main(session))
    assert refused(counterpart) == []


@pytest.mark.slow
def test_cuts_at_any_time_are_told_where_they_were_heard(talking, counterpart):
    counterpart.script(responses={"seconds": 8})
    session = started(talking, **realtime(talking, KEY))
    chance = random.Random(3)

    async def main() -> None:
        person = Person()
        async with person.visiting(session, microphone=True):
            for number in range(1, CUTS + 1):
                if number % 5 != 1:  # else the server answers what cut the last one
                    await person.send("avatar.speak_response", text="Count.")
                elif number == 1:
                    await person.say("Count for me.")
                await person.event("avatar.speak_started", number)
                await asyncio.sleep(chance.uniform(0, 1))
                if number % 5 or number == CUTS:
                    await person.send("avatar.interrupt")
                else:
                    await person.say("Stop!")
                await person.event("avatar.transcription", number)
            await person.send("session.stop")

    asyncio.run(main())
    ended(talking, session["session_id"])
    told = stops(counterpart)
    assert len(told) >= CUTS
    cuts = [cut.heard / 24 for cut in traced(talking, session, TurnCut, len(told))]
    assert refused(counterpart) == []
    far = [at_ms for at_ms in told if min(abs(at_ms - cut) for cut in cuts) > 20]
    assert far == [], cuts
