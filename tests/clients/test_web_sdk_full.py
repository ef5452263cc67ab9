"""Unmodified official web SDK in FULL mode: real gateway, real agent, a microphone."""

import asyncio
import contextlib
import os
import subprocess
import time
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from livekit import api, rtc

from bench.probe.stack import Gateway
from tests.clients import npm

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")
playwright = pytest.importorskip("playwright.async_api")
from playwright.async_api import Page  # noqa: E402 - after the skip

from conversation.agent.microphone import KEPT_S  # noqa: E402 - after the skip
from tests.clients.test_web_sdk_channel import (  # noqa: E402 - the same
    control_plane,
    told,
)
from tests.conversation.full_mode import COUNTING, recording  # noqa: E402 - the same
from tests.e2e.calls import with_key  # noqa: E402 - the same
from tests.e2e.pages import FLAGS  # noqa: E402 - the same
from tests.e2e.talking import (  # noqa: E402 - the same
    LOUD,
    Person,
    context,
    mint,
    talking_gateway,
)
from tests.openai_counterpart import voice  # noqa: E402 - the same
from tests.waiting import PATIENCE_S, until_async  # noqa: E402 - the same

pytestmark = [pytest.mark.livekit, pytest.mark.browser, pytest.mark.clients]
SECOND = "Only this is heard now."
HEARD, ANSWER = "Hello there.", "You said: Hello there."
# Starts the SDK, and notes its events and who is in the room then.
START = """
async ([token, apiUrl, voiceChat]) => {
  const { LiveAvatarSession, SessionEvent, AgentEventsEnum } = LiveAvatarSDK;
  window.told = [];
  window.session = new LiveAvatarSession(token, { apiUrl, voiceChat });
  for (const name of Object.values(AgentEventsEnum))
    session.on(name, (event) => told.push({ name, ...event }));
  session.on(SessionEvent.SESSION_DISCONNECTED, (name) => told.push({ name }));
  await session.start();
  return {
    id: session.sessionId,
    state: [session.state, session.mode, session.agentType, session.voiceChat.state],
    people: [...session.room.remoteParticipants.keys()].sort(),
  };
}
"""


@pytest.fixture(scope="module")
def packages() -> Path:
    """Folder with the SDK's npm packages."""
    try:
        return npm.installed()
    except (subprocess.CalledProcessError, OSError) as failed:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"npm could not install the web SDK: {failed}")


@pytest.fixture(scope="module")
def site(packages, livekit) -> Iterator[str]:
    """URL of a page with the SDK, of another origin than the gateway's."""
    with control_plane(packages, livekit) as url:
        yield url


@pytest.fixture(scope="module")
def talking(livekit, counterpart_process, site, tmp_path_factory) -> Iterator[Gateway]:
    log_path = tmp_path_factory.mktemp("sdk") / "log"
    origin = site.rstrip("/")
    with talking_gateway(
        livekit, log_path, counterpart_process, LITE_CORS_ORIGINS=origin
    ) as running:
        yield running


@pytest.fixture
def microphone(tmp_path) -> Path:
    """File of a microphone that says a sentence again and again."""
    path = tmp_path / "microphone.wav"
    pause = np.zeros(voice.RATE, np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, voice.RATE, 0, "NONE", ""))
        file.writeframes(np.concatenate([recording("hello"), pause]).tobytes())
    return path


@contextlib.asynccontextmanager
async def sdk_page(chromium: Path, site: str, microphone: Path):
    """Open a page with the SDK, which has not started."""
    flag = f"--use-file-for-fake-audio-capture={microphone}"
    async with playwright.async_playwright() as started:
        browser = await started.chromium.launch(
            executable_path=chromium, args=[*FLAGS, flag]
        )
        page = await browser.new_page()
        page.set_default_timeout(1000 * PATIENCE_S)
        await page.goto(site)
        yield page
        await browser.close()


class Recorder(Person):
    """Client that hears the avatar only, not the microphone of the SDK."""

    def _on_track(self, track: rtc.Track, *more: Any) -> None:
        if more[-1].identity == "heygen":
            super()._on_track(track, *more)


class Talk:
    """Session of the SDK, and a recorder in its room."""

    def __init__(self, gateway: Gateway, page: Page, person: Person, start: dict):
        self.gateway = gateway
        self.page = page
        self.person = person
        self.id: str = start["id"]
        self.state: list[str] = start["state"]
        self.people: list[str] = start["people"]

    async def call(self, script: str):
        """Run JavaScript in the page."""
        return await self.page.evaluate(script)

    async def told(self, name: str, count: int) -> dict:
        """Wait for the event of a name with this number, from 1."""
        events = await told(self.page, name, count)
        return [event for event in events if event["name"] == name][count - 1]

    async def count(self, name: str) -> int:
        """Return how many events of a name there were."""
        return len([each for each in await self.call("told") if each["name"] == name])

    async def silent(self, for_s: float) -> bool:
        """Return whether the avatar says nothing for some time from soon on."""

        def is_over() -> bool:
            return time.monotonic() - max(self.person.loud(), default=0.0) > 0.5

        # What is on its way; the jitter buffer of a busy machine is long.
        await until_async(is_over, 3.0)
        begin = len(self.person.sound)
        await asyncio.sleep(for_s)
        pieces = [pcm for _, pcm in self.person.sound[begin:]]
        return len(pieces) > 0 and int(np.abs(np.concatenate(pieces)).max()) <= LOUD

    async def stopped(self) -> list[str]:
        """Stop the session on the server; return the names of all events."""
        call = with_key(self.gateway)
        body = {"session_id": self.id}
        await asyncio.to_thread(call, "POST", "/v1/sessions/stop", body)
        await self.page.wait_for_function("session.state === 'DISCONNECTED'")
        return [event["name"] for event in await self.call("told")]

    def lines(self) -> list[tuple[str, str]]:
        """Return roles and texts of the stored transcript."""
        path = f"/v1/sessions/{self.id}/transcript"
        data = with_key(self.gateway).data("GET", path)
        return [(each["role"], each["transcript"]) for each in data["transcript_data"]]


@contextlib.asynccontextmanager
async def talk(
    page: Page, gateway: Gateway, livekit, voice_chat: dict, **fields
) -> AsyncIterator[Talk]:
    """Start the SDK in a new session in FULL mode, with a recorder in the room."""
    persona = {"context_id": context(gateway)}
    minted = mint(gateway, mode="FULL", avatar_persona=persona, **fields)
    token = minted.json()["data"]["session_token"]
    start = await page.evaluate(START, [token, gateway.url, voice_chat])
    grants = api.VideoGrants(room_join=True, room=start["id"], can_publish=False)
    recorder = (
        api.AccessToken(livekit.key, livekit.secret)
        .with_identity("recorder")
        .with_grants(grants)
        .to_jwt()
    )
    room = {"livekit_url": livekit.url}
    async with Recorder().visiting(room, token=recorder) as person:
        await until_async(lambda: person.sound)
        yield Talk(gateway, page, person, start)


def is_heard_alone(person: Person, begin: int, text: str) -> bool:
    """Return whether a text is heard from a moment on, after the end of another."""
    pieces = [pcm for _, pcm in person.sound[begin:]]
    loud = [int(np.abs(pcm).max(initial=0)) > LOUD for pcm in pieces]
    words = voice.words(text)
    return any(
        voice.heard(np.concatenate(pieces[at:]), voice.RATE, text) == words
        for at in range(len(pieces) - 1)
        if loud[at + 1] and not loud[at]
    )


@pytest.mark.real_time  # gaps of a busy machine make other words
def test_the_sdk_asks_repeats_interrupts_and_is_stopped(
    chromium, site, microphone, talking, livekit, counterpart
):
    slow = {"when": {"contains": "slow"}, "text": COUNTING, "first_s": 2.0}
    counterpart.script(chat=[slow])

    async def main() -> None:
        muted = {"defaultMuted": True}
        async with (
            sdk_page(chromium, site, microphone) as page,
            talk(page, talking, livekit, muted) as session,
        ):
            assert session.state == ["CONNECTED", "FULL", "FULL", "ACTIVE"]
            assert session.people == ["heygen", f"liveavatar-agent-{session.id}"]
            await check_questions(session)
            await check_cut_speech(session)
            await check_cut_completion(session, counterpart)
            await check_microphone(session)
            async with page.expect_response("**/keep-alive") as response:
                await session.call("session.startListening(), session.keepAlive()")
            assert (await response.value).ok
            stored = session.lines()
            asked = ("user", "How are you?")
            assert stored[:2] == [asked, ("avatar", "You said: How are you?")]
            assert ("avatar", SECOND) in stored
            assert ("user", HEARD) in stored
            assert "error" not in session.person.kinds
            names = await session.stopped()
            assert names[-2:] == ["session.stopped", "SERVER_INITIATED"]
            assert "UNKNOWN_REASON" not in names

    asyncio.run(main())


async def check_questions(session: Talk) -> None:
    """Ask by `message`: the avatar says the answer of the language model."""
    asked = await session.call("session.message('How are you?')")
    started = await session.told("avatar.speak_started", 1)
    said = await session.told("avatar.transcription", 1)
    await session.told("avatar.speak_ended", 1)
    assert said["text"] == "You said: How are you?"
    assert started["source_event_id"] == said["source_event_id"] == asked
    assert session.person.loud()
    assert await session.silent(1)


async def check_cut_speech(session: Talk) -> None:
    """Interrupt a text that is heard, and repeat another at once."""
    repeated = await session.call(f"session.repeat({COUNTING!r})")
    await session.told("avatar.speak_started", 2)
    await asyncio.sleep(1)
    begin = len(session.person.sound)
    await session.call(f"session.interrupt(), session.repeat({SECOND!r})")
    await session.told("avatar.speak_ended", 3)
    cut = session.person.all("avatar.transcription.heard")
    first = [each for each in cut if each["source_event_id"] == repeated]
    assert len(first[-1]["text"]) < len(COUNTING) / 2
    assert COUNTING.startswith(first[-1]["text"])
    assert (await session.told("avatar.transcription", 3))["text"] == SECOND
    assert await session.silent(1)
    assert is_heard_alone(session.person, begin, SECOND)


async def check_cut_completion(session: Talk, counterpart) -> None:
    """Interrupt while the language model answers, and repeat a text at once."""
    begin = len(session.person.sound)
    await session.call("session.message('Be slow.')")
    await until_async(lambda: len(counterpart.requests("chat")) == 2)
    await session.call(f"session.interrupt(), session.repeat({SECOND!r})")
    await session.told("avatar.speak_ended", 4)
    assert (await session.told("avatar.transcription", 4))["text"] == SECOND
    assert await session.silent(2.5)  # also when the answer would have come
    assert is_heard_alone(session.person, begin, SECOND)
    assert await session.count("avatar.speak_started") == 4


async def check_microphone(session: Talk) -> None:
    """Open the microphone: speech is transcribed and answered."""
    assert await session.count("user.speak_started") == 0
    await session.call("session.voiceChat.unmute()")
    assert (await session.told("user.transcription", 1))["text"] == HEARD
    await session.call("session.voiceChat.mute()")
    await session.told("avatar.speak_ended", 5)


def test_the_sdk_pushes_to_talk_with_an_open_microphone(
    chromium, site, microphone, talking, livekit, counterpart
):
    async def main() -> None:
        chat = {"mode": "PUSH_TO_TALK"}
        async with (
            sdk_page(chromium, site, microphone) as page,
            talk(
                page, talking, livekit, chat, interactivity_type="PUSH_TO_TALK"
            ) as session,
        ):
            for number in range(1, 4):
                await asyncio.sleep(3)  # the microphone speaks, and nobody listens
                assert await session.call("session.voiceChat.isMuted") is False
                assert await session.count("user.transcription") == number - 1
                began_s = time.monotonic()
                await session.call("session.voiceChat.startPushToTalk()")
                await asyncio.sleep(2.5)
                await session.call("session.voiceChat.stopPushToTalk()")
                held_s = time.monotonic() - began_s
                said = await session.told("user.transcription", number)
                assert said["text"] == HEARD
                answered = await session.told("avatar.transcription", number)
                assert answered["text"] == ANSWER
                await session.told("avatar.speak_ended", number)
                audio_s = counterpart.requests("transcriptions")[-1]["audio_s"]
                # The ears were shut for 3 s before: most of that is not in it.
                assert audio_s < held_s + KEPT_S + 1
            await asyncio.sleep(3)
            assert await session.count("user.transcription") == 3
            assert await session.count("avatar.speak_started") == 3
            assert len(counterpart.requests("chat")) == 3
            assert session.lines() == 3 * [("user", HEARD), ("avatar", ANSWER)]
            names = await session.stopped()
            assert names[-2:] == ["session.stopped", "SERVER_INITIATED"]

    asyncio.run(main())
