"""Speech that the gateway never plays, or never ends."""

import asyncio

import pytest

pytest.importorskip("livekit.agents", reason="needs lite-gateway[agent]")

from conversation.agent.silence_watch import MAX_SILENCE_S, watch_silence
from protocol.link.messages import Clear, SpeechStarted
from tests import virtual
from tests.conversation.linked import RecordingLink, finished
from tests.conversation.test_speaker import SpeakerFixture

LINK = RecordingLink.number


def watched(check) -> None:
    """Run ``check`` with a speaker that is watched, and the times of silence."""

    async def main():
        loop = asyncio.get_running_loop()
        on, silences = SpeakerFixture(), []
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(
                watch_silence(
                    on.speaker, lambda _: silences.append(loop.time()), now=loop.time
                )
            )
            words = group.create_task(on.speaker.tell_heard_text())
            await asyncio.sleep(0)
            await check(on, silences)
            watch.cancel()
            words.cancel()

    virtual.run(main())


def test_a_speech_that_is_never_played_is_given_up():
    async def check(on, silences):
        began = asyncio.get_running_loop().time()
        await on.speak(5, "one two three")
        await asyncio.sleep(10)
        assert [at - began for at in silences] == [
            pytest.approx(MAX_SILENCE_S, abs=0.5)
        ]
        assert on.link.of(Clear)
        assert [each.interrupted for each in on.finished] == [True]
        on.speaker.receive(finished(1, 0, interrupted=True))  # comes late
        assert len(on.finished) == 1

    watched(check)


def test_a_speech_that_never_ends_is_given_up():
    async def check(on, silences):
        await on.speak(5, "one two three")
        on.text.flush()
        on.speaker.flush()
        on.speaker.receive(SpeechStarted(LINK, 1))
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(20)
        assert [at - began for at in silences] == [
            pytest.approx(5 + MAX_SILENCE_S, abs=0.5)
        ]
        assert on.finished[0].playback_position == 5

    watched(check)


def test_a_speech_that_waits_for_its_voice_or_is_held_is_not_given_up():
    async def check(on, silences):
        await on.speak(1)
        on.speaker.receive(SpeechStarted(LINK, 1))
        await asyncio.sleep(10)  # the voice makes more of it
        await on.speak(5)
        on.speaker.pause()
        await asyncio.sleep(10)
        on.speaker.resume()
        await asyncio.sleep(6)
        assert silences == []

    watched(check)
