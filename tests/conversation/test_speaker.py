"""Speech of the agent session over the link: turns, positions, words heard."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("livekit.agents", reason="needs lite-gateway[agent]")

from conversation.agent.provider_text import MAX_CHARACTERS
from conversation.agent.speaker import (
    MAX_AHEAD_S,
    PHONES,
    AvatarText,
    LinkBroken,
    Speaker,
)
from conversation.agent.speeches import Speeches
from conversation.agent.stage_times import TurnMoments
from protocol.link.messages import (
    Clear,
    Hold,
    OpenTurn,
    Release,
    SealTurn,
    SpeechHeld,
    SpeechStarted,
    StageTimes,
    TurnAudioPiece,
    TurnPhones,
)
from protocol.phones.phone_list import TimedPhone
from tests import virtual
from tests.conversation.linked import RecordingLink, finished, frame

LINK = RecordingLink.number


class Handle:
    """Speech of a session, as far as the speaker uses it."""

    def __init__(self, name: str = "speech") -> None:
        self.id = name
        self.interrupted = False

    def interrupt(self, *, force: bool = False) -> None:
        self.interrupted = True

    def add_done_callback(self, callback) -> None:
        self.done = callback


class SpeakerFixture:
    """Speaker with a recording link and the reports that the framework gets."""

    def __init__(self) -> None:
        now = asyncio.get_running_loop().time
        self.link = RecordingLink()
        self.handle = Handle()
        self.speeches = Speeches(lambda: self.handle)
        self.moments = TurnMoments(now)
        self.speaker = Speaker(self.link, self.moments, self.speeches, now=now)
        self.text = AvatarText(self.speaker)
        self.started: list = []
        self.finished: list = []
        self.speaker.on("playback_started", self.started.append)
        self.speaker.on("playback_finished", self.finished.append)

    async def speak(self, seconds: float, text: str = "") -> None:
        if text:
            await self.text.capture_text(text)
        await self.speaker.capture_frame(frame(seconds))


def test_a_segment_is_a_turn_that_is_opened_filled_and_sealed():
    async def main():
        on = SpeakerFixture()
        await on.speak(0.5, "Hello there.")
        on.text.flush()
        on.speaker.flush()
        assert [m.turn for m in on.link.of(OpenTurn)] == [1]
        assert len(on.link.pcm(1)) == 24_000
        assert on.link.of(SealTurn) == [SealTurn(LINK, 1)]
        assert on.link.texts("avatar.transcription.chunk") == ["Hello there."]
        on.speaker.receive(SpeechStarted(LINK, 1))
        on.speaker.receive(finished(1, 0.5))
        assert len(on.started) == len(on.finished) == 1
        assert on.finished[0].playback_position == 0.5
        assert not on.finished[0].interrupted
        assert on.link.texts("avatar.transcription") == ["Hello there."]

    virtual.run(main())


def test_phones_of_a_frame_are_told_from_the_start_of_their_turn():
    async def main():
        on = SpeakerFixture()
        for start_s, phones in ((0, [("P", 0.1, 0.2)]), (0.5, [("AA", -0.1, 0.3)])):
            spoken = frame(0.5)
            spoken.userdata[PHONES] = [TimedPhone(*phone) for phone in phones]
            await on.speaker.capture_frame(spoken)
            assert on.link.of(TurnPhones)[-1].phones == tuple(
                TimedPhone(name, start_s + first_s, start_s + last_s)
                for name, first_s, last_s in phones
            )
        kinds = [type(message) for message in on.link.sent[:3]]
        assert kinds == [OpenTurn, TurnPhones, TurnAudioPiece]

    virtual.run(main())


def test_a_cut_turn_tells_the_words_that_were_heard():
    async def main():
        on = SpeakerFixture()
        await on.speak(4, "one two three four")
        on.text.flush()
        on.speaker.flush()
        on.speaker.receive(SpeechStarted(LINK, 1))
        on.speaker.clear_buffer()
        on.speaker.receive(finished(1, 2, interrupted=True))
        assert on.finished[0].playback_position == 2
        assert on.finished[0].synchronized_transcript == "one two"
        assert on.link.texts("avatar.transcription") == ["one two"]

    virtual.run(main())


def test_text_without_an_end_is_kept_to_a_bound():
    async def main():
        on = SpeakerFixture()
        for _ in range(10):
            await on.speak(0.1, "word " * (MAX_CHARACTERS // 20) + "\ud83d")
        on.text.flush()
        on.speaker.flush()
        on.speaker.receive(finished(1, 1))
        (text,) = on.link.texts("avatar.transcription")
        assert MAX_CHARACTERS - 10 < len(text) <= MAX_CHARACTERS
        assert "".join(on.link.texts("avatar.transcription.chunk")).strip() == text

    virtual.run(main())


def test_a_turn_of_which_nothing_was_heard_has_no_words():
    async def main():
        on = SpeakerFixture()
        await on.speak(4, "one two three four")
        on.speaker.receive(finished(1, 0, interrupted=True))
        assert on.finished[0].synchronized_transcript == ""
        assert on.link.texts("avatar.transcription") == [""]
        assert on.handle.interrupted

    virtual.run(main())


def test_more_was_never_heard_than_was_sent():
    async def main():
        on = SpeakerFixture()
        await on.speak(1)
        on.speaker.receive(SpeechStarted(LINK, 1))
        on.speaker.receive(finished(1, 1.2, interrupted=True))
        assert on.finished[0].playback_position == 1

    virtual.run(main())


def test_audio_of_a_turn_that_the_gateway_cut_opens_no_other_one():
    async def main():
        on = SpeakerFixture()
        await on.speak(1, "one")
        on.speaker.receive(finished(1, 0.5, interrupted=True))
        await on.speak(1)
        on.speaker.flush()
        assert len(on.link.of(OpenTurn)) == 1
        assert len(on.finished) == 1
        await on.speak(1, "two")
        assert [m.turn for m in on.link.of(OpenTurn)] == [1, 2]

    virtual.run(main())


def test_a_turn_names_its_command_and_how_many_interruptions_were_read():
    async def main():
        on = SpeakerFixture()
        on.speeches.note(on.handle, "event-1")
        on.speaker.interrupts = 3
        await on.speak(1, "Hello")
        assert on.link.of(OpenTurn) == [OpenTurn(LINK, 1, "event-1", 3)]
        on.speaker.receive(finished(1, 1))
        sources = {m.source_event_id for m in on.link.sent if hasattr(m, "event")}
        assert sources == {"event-1"}

    virtual.run(main())


def test_pausing_and_resuming_holds_and_releases_once():
    async def main():
        on = SpeakerFixture()
        await on.speak(10, "word " * 20)
        on.speaker.receive(SpeechStarted(LINK, 1))
        on.speaker.resume()  # as the framework does before each speech
        on.speaker.pause()
        on.speaker.pause()
        on.speaker.receive(SpeechHeld(LINK, 1, 24_000))
        on.speaker.resume()
        on.speaker.resume()
        kinds = [type(m) for m in on.link.sent if isinstance(m, Hold | Release)]
        assert kinds == [Hold, Release]

    virtual.run(main())


def test_words_are_told_as_they_are_heard_and_not_while_held():
    async def main():
        on = SpeakerFixture()
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(on.speaker.tell_heard_text())
            await on.speak(4, "one two three four")
            on.text.flush()
            on.speaker.flush()
            assert on.link.texts("avatar.transcription.heard") == []
            on.speaker.receive(SpeechStarted(LINK, 1))
            await asyncio.sleep(2)
            assert on.link.texts("avatar.transcription.heard")[-1] == "one two"
            on.speaker.pause()
            on.speaker.receive(SpeechHeld(LINK, 1, 48_000))
            await asyncio.sleep(60)
            assert on.link.texts("avatar.transcription.heard")[-1] == "one two"
            on.speaker.resume()
            await asyncio.sleep(3)
            assert (
                on.link.texts("avatar.transcription.heard")[-1] == "one two three four"
            )
            telling.cancel()

    virtual.run(main())


def test_no_more_audio_is_ahead_than_allowed():
    async def main():
        on = SpeakerFixture()

        async def speak():
            for _ in range(200):
                await on.speak(1)
            on.speaker.flush()

        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(speak())
            await asyncio.sleep(5)
            before = len(on.link.of(TurnAudioPiece)) / 5
            on.speaker.receive(SpeechStarted(LINK, 1))
            await asyncio.sleep(30)
            after = len(on.link.of(TurnAudioPiece)) / 5
            assert MAX_AHEAD_S <= before <= MAX_AHEAD_S + 1
            assert before + 29 <= after <= before + 31
            on.speaker.receive(finished(1, 30, interrupted=True))
            await speaking
            assert len(on.link.of(TurnAudioPiece)) / 5 == after

    virtual.run(main())


def test_stage_times_go_with_the_first_audio_alone():
    async def main():
        on = SpeakerFixture()
        on.moments.begin(last_speech=0.0)
        await asyncio.sleep(1)
        on.moments.mark("llm_first_token")
        await asyncio.sleep(1)
        await on.speak(1)
        await on.speak(1)
        (times,) = on.link.of(StageTimes)
        expected = {"last_speech": 0, "llm_first_token": 1, "tts_first_audio": 2}
        assert times.moments == expected
        assert list(times.moments) == list(expected)

    virtual.run(main())


def test_the_wait_of_an_answer_for_the_speech_before_it_is_a_stage():
    async def main():
        on = SpeakerFixture()
        on.moments.begin_asked(on.handle, is_answer=False)
        await on.speak(3)
        on.speaker.flush()
        on.moments.begin(last_speech=0.0)
        on.moments.mark("tts_first_audio")
        await asyncio.sleep(3)
        on.speaker.receive(finished(1, 3))
        on.handle = Handle("answer")
        await on.speak(1)
        (times,) = on.link.of(StageTimes)
        assert times.turn == 2
        assert times.moments == {"last_speech": 0, "tts_first_audio": 0, "queue": 3}

    virtual.run(main())


def test_audio_after_the_link_is_gone_is_refused():
    async def main():
        on = SpeakerFixture()
        await on.speak(1)
        on.speaker.close()
        assert [report.interrupted for report in on.finished] == [True]
        with pytest.raises(LinkBroken):
            await on.speak(1)
        on.speaker.flush()
        await on.speaker.wait_for_playout()

    virtual.run(main())


STEPS = st.lists(
    st.sampled_from(
        [
            *("text", "audio", "flush", "clear", "hold", "release"),
            *("start", "end", "cut", "held"),
        ]
    ),
    max_size=30,
)


async def take(step: str, on: SpeakerFixture) -> None:
    """Let the framework or the gateway do something, at any moment."""
    turns = on.link.of(OpenTurn)
    newest = turns[-1].turn if turns else 1
    reports = {
        "start": SpeechStarted(LINK, newest),
        "end": finished(newest, 0.2),
        "cut": finished(newest, 0.1, interrupted=True),
        "held": SpeechHeld(LINK, newest, 100),
    }
    match step:
        case "text":
            await on.text.capture_text("some words ")
        case "audio":
            await on.speak(0.2)
        case "flush":
            on.text.flush()
            on.speaker.flush()
        case "clear":
            on.speaker.clear_buffer()
        case "hold":
            on.speaker.pause()
        case "release":
            on.speaker.resume()
        case _:
            on.speaker.receive(reports[step])


@given(STEPS)
def test_each_segment_is_reported_exactly_once_whatever_happens(steps):
    async def main():
        on = SpeakerFixture()
        for step in steps:
            await take(step, on)
        on.speaker.close()
        assert len(on.finished) == on.speaker.captured_playout_segments
        assert len(on.finished) == len(on.link.of(OpenTurn))
        assert all(piece.pcm for piece in on.link.of(TurnAudioPiece))
        assert not on.link.of(Clear) or on.link.of(OpenTurn)

    virtual.run(main(), debug=False)
