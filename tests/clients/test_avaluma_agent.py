"""Complete agent that starts its avatar as Avaluma's plugin does, at 16 kHz."""

import time
from pathlib import Path

import pytest

from bench.probe.listening import MIN_MATCH, listening
from lite_gateway.offline.wav import read_wav
from tests.clients.avatar_room import AGENT, avatar_room
from tests.clients.program import PROGRAMS, running
from tests.waiting import best_of, figures

pytestmark = [pytest.mark.livekit, pytest.mark.clients]
SAMPLES = Path(__file__).parents[2] / "web" / "samples"


@pytest.mark.slow
@best_of(3)
def test_agent_at_16_khz_is_heard_and_interrupted(python, livekit, gateway, tmp_path):
    room = avatar_room(livekit, gateway)
    arguments = [gateway.url, gateway.key, livekit.url, room.token(AGENT)]
    arguments += [str(SAMPLES), "fiducial"]
    env = {"LIVEKIT_API_KEY": livekit.key, "LIVEKIT_API_SECRET": livekit.secret}
    program = PROGRAMS / "avaluma_agent.py"
    with running(python, program, tmp_path, *arguments, **env) as agent:
        avatar = agent.wait("avatar")
        agent.wait("joined")
        token = room.token("listener", "standard")
        with listening(livekit.url, token, tmp_path, identity=room.avatar) as listener:
            listener.wait_for_media()
            agent.tell("say hello")
            result = agent.wait("said")
            agent.tell("say long")
            time.sleep(1.5)
            agent.tell("cut")
            cut_s = agent.wait("cutting")["at"]
            cut_result = agent.wait("said")
            time.sleep(0.5)
            heard = listener.leave()
    room.stop(avatar["session_id"])
    pcm = read_wav(SAMPLES / "hello.wav")
    assert not result["interrupted"]
    assert cut_result["interrupted"]
    first, second = (event for event in agent.events if event["event"] == "finished")
    assert first["position"] == pytest.approx(len(pcm) / 48_000, abs=0.05)
    assert not first["interrupted"]
    assert second["interrupted"]
    states = [event for event in agent.events if event["event"] == "state"]
    assert {state["answer"] for state in states} == {"ok"}
    assert "didn't receive playback finished" not in agent.log()
    with figures():
        assert avatar["took"] < 1.0
        assert cut_result["at"] - cut_s < 0.5
        assert 0.5 < second["position"] < 2.5
        assert heard.match(pcm, until_s=result["at"] + 0.3)[0] > MIN_MATCH
        assert heard.rms(cut_s + 0.3, cut_s + 0.5) < 20
