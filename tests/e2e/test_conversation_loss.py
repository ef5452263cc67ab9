"""Loss of the agent process, and of the gateway, while the avatar talks by Realtime."""

import asyncio
import os
import signal
import time

import numpy as np
import pytest

from lite_gateway.client import open_session
from lite_gateway.playout.trace import AudioSent, TurnCut
from tests.e2e.calls import ended
from tests.e2e.talking import (
    Person,
    descendants,
    is_running,
    realtime,
    running_session,
    started,
    talking_gateway,
    wait_ready,
)
from tests.e2e.traced import traced
from tests.fakes import tone
from tests.openai_counterpart import voice
from tests.waiting import PATIENCE_S, best_of, figures, until, until_async

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")
pytestmark = [pytest.mark.livekit, pytest.mark.process]

AGENT = "conversation.agent"
STEP_S = 0.02  # in which sound is recorded


async def talk(person: Person) -> None:
    """Let the avatar speak for long, and listen until it does."""
    await until_async(lambda: person.sound)
    await person.send("avatar.speak_response", text="Count.")
    await until_async(lambda: len(person.loud()) > 1 / STEP_S)


@best_of(3)
@pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
def test_a_killed_agent_is_silent_at_once_and_another_one_is_there(
    talking, counterpart, which
):
    """The process that the gateway has started is killed, or the last one below it."""
    counterpart.script(responses={"seconds": 30})
    wait_ready(talking)
    session = started(talking, **realtime(talking))

    def start_and_stop() -> None:
        with running_session(talking, **realtime(talking)):
            pass

    async def main() -> tuple[Person, float, float, str]:
        person = Person()
        fiducial = {"avatar": "fiducial", "video_settings": {"quality": "256x256"}}
        async with (
            open_session(talking.url, talking.key, **fiducial) as other,
            person.visiting(session),
        ):
            await talk(person)
            await other.speak(tone(8.0))
            await other.event("agent.speak_started")
            killed_s = time.monotonic()
            os.kill(descendants(talking.pid, AGENT)[which], signal.SIGKILL)
            stopped = await person.event("session.stopped")
            assert stopped["stop_reason"] == stopped["end_reason"] == "SERVER_ERROR"
            (error,) = person.all("error")
            assert error["code"] == "restarting"
            kinds = person.kinds
            assert kinds.index("avatar.speak_ended") < kinds.index("error")
            assert kinds.index("error") < kinds.index("session.stopped")
            await asyncio.to_thread(wait_ready, talking)
            ready_s = time.monotonic()
            await asyncio.to_thread(start_and_stop)
            again_s = time.monotonic() - ready_s
            ends = ("agent.speak_ended", "agent.speak_interrupted")
            end = await other.event(*ends, timeout_s=PATIENCE_S)
            return person, killed_s, again_s, end["type"]

    person, killed_s, again_s, other_end = asyncio.run(main())
    assert other_end == "agent.speak_ended"
    assert ended(talking, session["session_id"])["end_reason"] == "SERVER_ERROR"
    (cut,) = traced(talking, session, TurnCut)
    sent = traced(talking, session, AudioSent)
    # From the moment at which the gateway sends a sample to that of its arrival here.
    way_s = person.loud()[0] - sent[0].at_s
    silent_s = person.loud()[-1] + STEP_S - killed_s - way_s
    # Nothing was heard beyond the cut but its fade.
    loud = np.flatnonzero(np.abs(person.recording) > 600)
    heard_s = (loud[-1] - loud[0]) / voice.RATE
    with figures():
        assert cut.at_s - killed_s < 0.1
        assert silent_s < 0.1 + STEP_S
        assert abs(heard_s - cut.heard / voice.RATE) < 0.1
        assert again_s < 5


def test_all_ends_with_a_killed_gateway(livekit, counterpart, tmp_path):
    counterpart.script(responses={"seconds": 30})
    with talking_gateway(livekit, tmp_path / "log", counterpart) as gateway:
        session = started(gateway, **realtime(gateway))

        async def main() -> list[int]:
            person = Person()
            async with person.visiting(session):
                await talk(person)
                children = descendants(gateway.pid, AGENT)
                os.kill(gateway.pid, signal.SIGKILL)
                # The agent leaves the room by itself, and Realtime.
                agent = f"liveavatar-agent-{session['session_id']}"
                others = person.room.remote_participants
                await until_async(lambda: agent not in others)
                return children

        children = asyncio.run(main())
        assert children
        until(lambda: not any(map(is_running, children)))
    # The counterpart reads the end of its connection a moment later.
    until(lambda: [each["closed_s"] for each in counterpart.connections()] != [None])
    (connection,) = counterpart.connections()
    assert connection["closed_s"]
