"""Unmodified official web SDK in FULL mode, on the data channel of a real room."""

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from protocol.lite.messages import EndReason
from tests.clients import npm
from tests.conversation.channel_room import (
    AGENT,
    SpeakingGateway,
    avatar_in,
    joined,
    room_token,
)

playwright = pytest.importorskip("playwright.async_api")
from playwright.async_api import Page  # noqa: E402 - after the skip

from tests.e2e.pages import FLAGS  # noqa: E402 - after the skip
from tests.waiting import PATIENCE_S  # noqa: E402 - after the skip

pytestmark = [pytest.mark.livekit, pytest.mark.browser, pytest.mark.clients]
ROOM = "sdk-channel"
PAGE = """
<script>var module = { exports: {} };</script>
<script src="/events/events.js"></script>
<script>globalThis.events$1 = module.exports; delete globalThis.module;</script>
<script src="/@heygen/liveavatar-web-sdk/dist/index.umd.js"></script>
"""
# Starts the SDK, and notes its events and what its promises come to.
START = """
async (token) => {
  const { LiveAvatarSession, SessionEvent, AgentEventsEnum } = LiveAvatarSDK;
  window.told = [];
  window.session = new LiveAvatarSession(token, {
    apiUrl: location.origin, voiceChat: { mode: "PUSH_TO_TALK", defaultMuted: true },
  });
  for (const name of Object.values(AgentEventsEnum))
    session.on(name, (event) => told.push({ name, ...event }));
  session.on(SessionEvent.SESSION_DISCONNECTED, (name) => told.push({ name }));
  await session.start();
  return [session.state, session.mode, session.agentType, session.voiceChat.state];
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


def session_token() -> str:
    """Return a token with what the SDK reads of it."""
    data = {"start_session_data": {"mode": "FULL"}}
    payload = base64.urlsafe_b64encode(json.dumps(data).encode()).decode()
    return f"e30.{payload}.e30"


@contextlib.contextmanager
def control_plane(packages: Path, livekit) -> Iterator[str]:
    """Serve the page, its scripts, and calls of the SDK; yield the URL."""
    data = {
        "session_id": "s1",
        "livekit_url": livekit.url,
        "livekit_client_token": room_token(livekit, "user", ROOM),
        "max_session_duration": 600,
    }
    envelope = json.dumps({"code": 1000, "data": data, "message": "ok"}).encode()

    class Site(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith(".js"):
                super().do_GET()
            else:
                self._answer("text/html", PAGE.encode())

        def do_POST(self) -> None:
            self._answer("application/json", envelope)

        def _answer(self, content_type: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    site = ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=packages))
    serving = threading.Thread(target=site.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{site.server_port}/"
    finally:
        site.shutdown()
        serving.join()
        site.server_close()


@contextlib.asynccontextmanager
async def sdk_page(chromium: Path, packages: Path, livekit):
    """Open a page with the SDK, which has not started."""
    with control_plane(packages, livekit) as url:
        async with playwright.async_playwright() as started:
            browser = await started.chromium.launch(
                executable_path=chromium, args=FLAGS
            )
            page = await browser.new_page()
            page.set_default_timeout(1000 * PATIENCE_S)
            await page.goto(url)
            yield page
            await browser.close()


async def told(page: Page, name: str, count: int = 1) -> list[dict]:
    """Return the events so far, when there are ``count`` of that name."""
    await page.wait_for_function(
        "([name, count]) => told.filter((it) => it.name === name).length >= count",
        arg=[name, count],
    )
    return await page.evaluate("told")


async def use_everything(page: Page, gateway: SpeakingGateway) -> dict:
    """Use each function of the SDK; return what it told."""
    result = {"state": await page.evaluate(START, session_token())}
    result["id"] = await page.evaluate("session.repeat('Hello there.')")
    result["repeated"] = await told(page, "avatar.speak_started")
    await page.evaluate("session.interrupt()")
    result["interrupted"] = await told(page, "avatar.speak_ended")
    await page.evaluate("session.startListening(), session.stopListening()")
    result["asked"] = await page.evaluate("session.message('How are you?')")
    result["answered"] = await told(page, "avatar.speak_started", 2)
    for _ in range(3):
        await page.evaluate("session.voiceChat.startPushToTalk()")
        await page.evaluate("session.voiceChat.stopPushToTalk()")
    result["talked"] = await told(page, "user.transcription", 3)
    gateway.end(EndReason.MAX_DURATION_REACHED, "the session's 600 s are over")
    return result


def test_the_sdk_speaks_interrupts_pushes_to_talk_and_is_told_of_the_end(
    chromium, packages, livekit
):
    async def main():
        gateway = SpeakingGateway(push_to_talk=True)
        async with (
            sdk_page(chromium, packages, livekit) as page,
            joined(livekit, AGENT, ROOM),
        ):
            async with avatar_in(livekit, ROOM, gateway):
                result = await use_everything(page, gateway)
            # The room goes only now.
            return result, await told(page, "SERVER_INITIATED")

    result, events = asyncio.run(main())
    assert result["state"] == ["CONNECTED", "FULL", "FULL", "ACTIVE"]
    said = result["repeated"]
    assert [event["name"] for event in said] == [
        "avatar.transcription",
        "avatar.speak_started",
    ]
    assert {event["source_event_id"] for event in said} == {result["id"]}
    assert said[0]["text"] == "Hello there."
    assert result["interrupted"][-1]["source_event_id"] == result["id"]
    assert result["answered"][-1]["source_event_id"] == result["asked"]
    names = [event["name"] for event in events]
    assert names.count("avatar.speak_started") == names.count("avatar.speak_ended") == 2
    assert names.count("user.transcription") == 3
    assert names[-2:] == ["session.stopped", "SERVER_INITIATED"]
    assert "UNKNOWN_REASON" not in names
    assert events[-2]["stop_reason"] == "MAX_DURATION_REACHED"
