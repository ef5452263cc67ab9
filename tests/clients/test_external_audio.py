"""Speech of participants who are not the avatar's agent."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.probe.listening import MIN_MATCH, listening
from bench.probe.stack import Gateway, running_gateway
from lite_gateway.offline.wav import read_wav
from tests.clients.avatar_room import AGENT, AvatarRoom, avatar_room
from tests.e2e.calls import LEAN, ended
from tests.waiting import PATIENCE_S, best_of, figures, until

pytestmark = pytest.mark.livekit
ROOT = Path(__file__).parents[2]
HELLO = ROOT / "web" / "samples" / "hello.wav"
GONE_S = 5.0


@pytest.fixture(scope="module")
def open_gateway(livekit, tmp_path_factory) -> Iterator[Gateway]:
    """Gateway where everyone may speak and avatars without an agent leave soon."""
    log_path = tmp_path_factory.mktemp("open") / "gateway.log"
    with running_gateway(
        livekit.url,
        livekit.key,
        livekit.secret,
        log_path,
        LITE_EXTERNAL_AUDIO="any",
        LITE_AGENT_GONE_S=str(GONE_S),
        **LEAN,
    ) as running:
        yield running


def sender(room: AvatarRoom, identity: str = "announcer") -> subprocess.Popen[str]:
    command = [sys.executable, "examples/external_audio.py", room.livekit.url]
    command += [room.token(identity, "standard"), room.avatar, str(HELLO)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def refused(gateway: Gateway, reason: str = "sender") -> float:
    return gateway.metrics()[f'lite_streams_refused_total{{reason="{reason}"}}']


@pytest.mark.slow
@best_of(3)
def test_any_participant_may_speak_if_external_audio_is_allowed(
    open_gateway, livekit, tmp_path
):
    room = avatar_room(livekit, open_gateway)
    session_id = room.start(owner="").json()["session_id"]
    token = room.token("listener", "standard")
    with listening(livekit.url, token, tmp_path) as listener:
        listener.wait_for_media()
        with sender(room) as announcer:
            output, _ = announcer.communicate(timeout=PATIENCE_S)
        time.sleep(0.3)
        heard = listener.leave()
    room.stop(session_id)
    pcm = read_wav(HELLO)
    report = json.loads(output)
    assert report["interrupted"] is False
    assert report["playback_position"] == pytest.approx(len(pcm) / 48_000, abs=0.002)
    with figures():
        assert heard.match(pcm)[0] > MIN_MATCH


def test_other_participants_are_refused_by_default(gateway, livekit):
    room = avatar_room(livekit, gateway)
    session_id = room.start().json()["session_id"]
    until(lambda: session_id in gateway.active_sessions())
    before = refused(gateway)
    with sender(room) as announcer:
        until(lambda: refused(gateway) > before)
        announcer.kill()
    room.stop(session_id)


@pytest.mark.slow
def test_avatar_leaves_if_its_agent_does_not_join(open_gateway, livekit):
    room = avatar_room(livekit, open_gateway)
    session_id = room.start(AGENT).json()["session_id"]
    session = ended(open_gateway, session_id)
    assert session["end_reason"] == "AGENT_HANG_UP"
    assert "agent has been away" in session["end_message"]


def test_example_has_at_most_30_lines():
    body = (ROOT / "examples" / "external_audio.py").read_text().split('"""', 2)[2]
    lines = [line for line in body.splitlines() if line.strip()]
    assert len(lines) <= 30
