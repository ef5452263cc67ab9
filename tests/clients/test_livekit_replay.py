"""Recorded messages of the gateway, replayed to LiveKit's stock plugin."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from bench.probe.listening import speech
from lite_gateway.client import open_session
from tests.clients.program import PROGRAMS

pytestmark = [pytest.mark.livekit, pytest.mark.clients]
VECTORS = Path(__file__).parents[1] / "vectors"
OVER = "agent.speak_ended", "agent.speak_interrupted"
HEARD, CUT = ["started", "finished"], ["started", "interrupted"]
EXPECTED_EVENTS = {  # conversation -> events that the plugin must raise, and no others
    "01-one-turn": HEARD,
    "02-ids-do-not-cut-turns": HEARD,
    "03-interrupt-while-talking": CUT,
    "04-interrupt-while-idle": [],
    "05-listening-after-speech": HEARD,
    "06-two-turns-queued": HEARD * 2,
    "07-speak-end-after-interrupt": CUT,
    "08-missing-speak-end": HEARD,
    "09-empty-audio": [],
    "10-tolerated": [],
    "11-speak-end-with-audio": HEARD,
    "12-session-ends": ["started"],  # the plugin closes its output with the session
    "13-emotion": HEARD,
    "14-turns-that-are-not-heard": CUT,
    "15-late-audio-of-a-cut-turn": [*CUT, *HEARD],
    "16-nothing-to-end": [],
    "17-a-file-in-place-of-pcm": [],
    "18-gaps": HEARD,
    "19-reduced-frame-rate": [],
    "20-phones": ["started"],  # the vector ends before its turns do
    "recorded": [*HEARD, *HEARD, *CUT, *HEARD],
}


def vectors() -> dict[str, list]:
    talks = {}
    for path in VECTORS.glob("[0-9]*.json"):
        steps = json.loads(path.read_text())["steps"]
        talks[path.stem] = [
            ["server" in step, step.get("server") or step["client"]]
            for step in steps
            if "playout" not in step and ("server" in step or "client" in step)
        ]
    return talks


async def talk(gateway) -> None:
    """Two queued turns, an interrupted one, invalid input, and a fourth turn."""
    settings = {"video_settings": {"quality": "256x256"}}
    async with open_session(
        gateway.url, gateway.key, avatar="fiducial", **settings
    ) as avatar:
        await avatar.speak(speech(0.6))
        await avatar.speak(speech(0.6))
        await avatar.start_listening()
        await avatar.event("agent.speak_ended")
        await avatar.event("agent.speak_ended")
        await avatar.speak(speech(3.0))
        await avatar.event("agent.speak_started")
        await avatar.interrupt()
        await avatar.speak_end()
        await avatar.event("agent.speak_interrupted")
        await avatar.interrupt()
        await avatar.send_raw('{"type": "agent.dance"}')
        await avatar.speak(speech(0.4))
        await avatar.event("agent.speak_ended")
        await avatar.stop_listening()
        gateway.call("POST", "/v1/sessions/stop", {"session_id": avatar.session_id})
        async for _ in avatar.events():
            pass


def test_plugin_reports_each_turn_once(python, tapped_gateway):
    tap, before = tapped_gateway.tap, len(tapped_gateway.tap.messages)
    asyncio.run(asyncio.wait_for(talk(tapped_gateway.gateway), 60))
    recorded = [[message.ours, message.message] for message in tap.messages[before:]]
    talks = {"recorded": recorded, **vectors()}

    replayed = subprocess.run(
        [python, PROGRAMS / "replay.py"],
        input=json.dumps(talks),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    answers = json.loads(replayed.stdout)
    assert {
        name: answer["events"] for name, answer in answers.items()
    } == EXPECTED_EVENTS
    assert answers["recorded"]["connected"]
    assert "called more times" not in replayed.stderr
    unknown = {
        line.rsplit(" ", 1)[1]
        for line in replayed.stderr.splitlines()
        if "Unhandled LiveAvatar event" in line
    }
    # The plugin ignores events of other API versions and the end of the session.
    assert unknown <= {"agent.idle_started", "agent.idle_ended", "session.stopped"}
