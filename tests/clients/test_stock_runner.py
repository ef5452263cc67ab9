"""
Stock `AvatarRunner` of livekit-agents 1.8.9 and this gateway, compared in one run.

The specification describes the defects of the stock runner. These tests measure them,
and that the gateway does not have them.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.interrupt import steady_tone
from bench.peers.stock_runner import joined
from bench.probe.listening import speech
from tests.clients.avatar_room import AGENT, AvatarRoom, avatar_room, write_pcm
from tests.clients.program import PROGRAMS, Program, running
from tests.waiting import best_of, figures

pytestmark = [pytest.mark.livekit, pytest.mark.clients, pytest.mark.slow]
ANNOUNCED_S = 3.2  # LiveKit announces participants without tracks up to 3 s late
AGENT_PROGRAM = PROGRAMS / "stream_agent.py"


@dataclass
class Side:
    """One of the two avatars, with the same agent."""

    room: AvatarRoom
    python: Path
    folder: Path

    def agent(self, name: str):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        room, token = self.room, self.room.token(AGENT)
        arguments = [room.livekit.url, token, room.avatar, "24000", "unstarted"]
        return running(self.python, AGENT_PROGRAM, folder, *arguments)

    def tell(self, agent: Program, command: str, pcm: bytes) -> None:
        agent.tell(f"{command} {write_pcm(self.folder, command, pcm)}")


@pytest.fixture
def sides(python, livekit, gateway, tmp_path) -> Iterator[dict[str, Side]]:
    """Avatar of the gateway and of the stock runner, each in its own room."""
    with ExitStack() as stack:
        by_name = {}
        for name in ("ours", "stock"):
            folder = tmp_path / name
            folder.mkdir()
            room = avatar_room(livekit, gateway)
            if name == "ours":
                session_id = room.start().json()["session_id"]
                stack.callback(room.stop, session_id)
            else:
                arguments = [livekit.url, room.avatar_token(), AGENT]
                avatar = joined(python, "stock_avatar.py", folder, *arguments)
                stack.enter_context(avatar)
            by_name[name] = Side(room, python, folder)
        yield by_name


def both(
    sides: dict[str, Side], measure: Callable[[Side], float], *, at_once: bool = False
) -> dict[str, float]:
    """Measure one after the other, or ``at_once`` where seconds are waited for."""
    with ThreadPoolExecutor(len(sides) if at_once else 1) as pool:
        took_s = dict(zip(sides, pool.map(measure, sides.values()), strict=True))
    print(took_s)
    return took_s


@best_of(3)
def test_clear_right_after_the_first_bytes_does_not_stall(sides, record_property):
    """The stock runner stalls only if the stream is open when the clear arrives."""

    def stall(side: Side) -> float:
        """Return the seconds from the clear until the next speech is accepted."""
        with side.agent("agent") as agent:
            agent.wait("joined")
            side.tell(agent, "say", speech(0.5))
            agent.wait("finished")
            side.tell(agent, "brief", steady_tone(1.0))
            cut_s = agent.wait("cutting")["at"]
            side.tell(agent, "say", speech(0.5))
            return agent.wait("taken")["at"] - cut_s

    took_s = both(sides, stall)
    record_property("stall_s", took_s)
    with figures():
        assert took_s["ours"] < 0.3


@best_of(3)
def test_clear_of_two_queued_segments_stalls_only_the_stock_runner(
    sides, record_property
):
    def stall(side: Side) -> float:
        with side.agent("agent") as agent:
            agent.wait("joined")
            for _ in range(2):
                side.tell(agent, "say", steady_tone(2.0))
                agent.wait("taken")
            agent.tell("cut")
            cut_s = agent.wait("cutting")["at"]
            side.tell(agent, "say", speech(0.5))
            return agent.wait("taken")["at"] - cut_s

    took_s = both(sides, stall)
    record_property("stall_s", took_s)
    assert took_s["stock"] > 1.5
    with figures():
        assert took_s["ours"] < 0.3


@best_of(3)
def test_only_the_gateway_plays_an_agent_that_rejoined(sides, record_property):
    def reported(side: Side) -> float:
        """Return the seconds from the speech of the rejoined agent to its report."""
        with side.agent("first") as agent:
            agent.wait("joined")
            time.sleep(ANNOUNCED_S)
            side.tell(agent, "open", steady_tone(3.0))
            agent.wait("taken")
            agent.tell("die")
            time.sleep(1.0)
        with side.agent("second") as agent:
            agent.wait("joined")
            side.tell(agent, "say", speech(1.0))
            given_s = agent.wait("taken")["given"]
            try:
                return agent.wait("finished", within_s=6.0)["at"] - given_s
            except AssertionError:
                return float("inf")

    took_s = both(sides, reported, at_once=True)
    record_property("reported_s", took_s)
    assert took_s["stock"] == float("inf")
    with figures():
        assert took_s["ours"] < 2.0
