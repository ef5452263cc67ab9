"""Conversation by Realtime in a real room: a person speaks, another one listens."""

import asyncio
import random
import time
from dataclasses import dataclass

import numpy as np
import pytest

from tests.e2e.talking import (
    Person,
    realtime,
    running_session,
)
from tests.openai_counterpart import noise, voice
from tests.waiting import best_of, figures, until_async

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")
pytestmark = [pytest.mark.livekit, pytest.mark.process]

EARLY_CUTS = 5
SILENCE_S = 0.15  # more than `noise.segments` needs between two answers
SHORT_MS = 20  # of sound, which may be too little to say of what
KEY = "sk-e2e-of-cuts"


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


@dataclass(frozen=True)
class Cut:
    """Answer of the counterpart: milliseconds that were sent, told and heard of it."""

    sent_ms: float
    told_ms: float
    heard_ms: float

    @property
    def error_ms(self) -> float:
        """Excess of what was told over what was heard."""
        return self.told_ms - self.heard_ms


def cuts(counterpart, recording: np.ndarray) -> list[Cut]:
    """
    Return the answers that were spoken, in their order.

    An answer that the server was told nothing of counts as heard to its end.
    """
    (connection,) = (c for c in counterpart.connections() if c["key"] == KEY)
    order = [
        event["item"]["id"]
        for event in connection["sent"]
        if event["type"] == "response.output_item.added"
    ]
    sent_ms = {
        item["id"]: item["sent_ms"]
        for item in connection["items"] + connection["deleted"]
    }
    told_ms = dict(sent_ms)
    for event in connection["received"]:
        if event["type"] == "conversation.item.truncate":
            told_ms[event["item_id"]] = event["audio_end_ms"]
        elif event["type"] == "conversation.item.delete":
            told_ms[event["item_id"]] = 0
    heard_ms = positions(recording, {id_: sent_ms[id_] for id_ in order})
    return [Cut(sent_ms[id_], told_ms[id_], heard_ms.get(id_, 0)) for id_ in order]


def positions(recording: np.ndarray, sent_ms: dict[str, float]) -> dict[str, float]:
    """Return up to which millisecond of each answer its noise is in a recording."""
    found: dict[str, float] = {}
    noises = {id_: noise.noise(id_, round(ms * 24)) for id_, ms in sent_ms.items()}
    for segment in noise.segments(recording):
        for id_, known in noises.items():
            samples = noise.heard_until(recording, segment, known)
            if samples is not None:
                found[id_] = max(samples / 24, found.get(id_, 0))
                break
        else:
            first, last = segment
            assert (last - first) / 24 < SHORT_MS, f"{segment} is of no answer"
    return found


# Thirty cuts are a measurement, run by hand as the slow ones of the benchmark are. Ten
# have the same kinds of cuts and the same limit.
BY_HAND = (pytest.mark.slow, pytest.mark.bench)


@pytest.mark.parametrize(
    "count", [10, pytest.param(30, marks=BY_HAND)], ids=["10", "30"]
)
@best_of(3)
def test_the_model_is_told_what_a_listener_heard_of_each_cut_answer(
    talking, counterpart, count
):
    counterpart.reset()  # what an earlier try has left
    counterpart.script(responses={"seconds": 5, "is_noise": True})
    chance = random.Random(3)

    async def cut(person: Person, number: int) -> None:
        """Cut an answer; the server answers each fifth cut, which is by voice."""
        if number % 5 != 1 or number == 1:
            await person.send("avatar.speak_response", text="Count.")
        await person.event("avatar.speak_started", number)
        await asyncio.sleep(chance.uniform(0, 1.2))
        if number % 5 or number == count:
            await person.send("avatar.interrupt")
        else:
            await person.say("Stop!")
        await person.event("avatar.transcription", number)

    async def main(session: dict) -> np.ndarray:
        person = Person()
        async with person.visiting(session, microphone=True):
            for number in range(1, count + 1):
                await cut(person, number)
            for _ in range(EARLY_CUTS):  # some before the first sample is heard
                await person.send("avatar.speak_response", text="Count.")
                await asyncio.sleep(chance.uniform(0, 0.15))
                await person.send("avatar.interrupt")
                # A quick machine speaks the next at once: both would be one segment.
                await asyncio.sleep(SILENCE_S)
            await person.send("avatar.speak_text", text="The end.", event_id="end")
            await until_async(lambda: "end" in person.sources("avatar.speak_started"))
            await asyncio.sleep(0.3)
            await person.send("avatar.interrupt")
            await until_async(lambda: "end" in person.sources("avatar.transcription"))
            # The newest events arrive before the last sound has been played.
            await until_async(lambda: time.monotonic() - person.loud()[-1] > 1)
            return person.recording

    with running_session(talking, **realtime(talking, KEY)) as session:
        recording = asyncio.run(main(session))
    found = cuts(counterpart, recording)
    errors_ms = [abs(each.error_ms) for each in found]
    p50, p95, largest = np.quantile(errors_ms, [0.5, 0.95, 1])
    print(f"{len(found)} cuts: p50 {p50:.1f}, p95 {p95:.1f}, max {largest:.1f} ms")
    assert len(found) > count
    assert refused(counterpart) == []
    with figures():
        assert [each for each in found if abs(each.error_ms) > 20] == []
