"""
Plugin of this repository for LiveKit agents, in a real AgentSession (1.8.9).

The avatar comes from a gateway, from a worker that LiveKit picks, or runs in the
agent's own process.
"""

import os
import signal
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.probe.listening import MIN_MATCH, Listener, listening
from bench.probe.stack import ROOT, Gateway, running_gateway
from lite_gateway.offline.wav import read_wav
from tests.clients.program import PROGRAMS, Program, running
from tests.e2e.calls import LEAN
from tests.waiting import PATIENCE_S, best_of, figures, until

pytestmark = [pytest.mark.livekit, pytest.mark.clients]
SAMPLES = ROOT / "web" / "samples"
PLUGIN = ROOT / "plugins" / "livekit-plugins-lite-avatar"
AVATAR = "avatar-fiducial"
SENT_RATE = 24_000


@dataclass(frozen=True)
class Talk:
    program: Program
    join: Callable[[], AbstractContextManager[Listener]]
    mode: str
    worker: Gateway | None  # that runs the avatar, if it was dispatched

    def say(self, name: str) -> dict:
        self.program.tell(f"say {name}")
        return self.program.wait("said")

    def events(self, kind: str, since_s: float = 0.0) -> list[dict]:
        events = [event for event in self.program.events if event["at"] >= since_s]
        return [event for event in events if event["event"] == kind]


def agent(
    python, livekit, gateway, folder: Path, *, mode: str, token: str, **env: str
) -> AbstractContextManager[Program]:
    """Run an agent whose avatar comes from ``mode``."""
    return running(
        python,
        PROGRAMS / "plugin_agent.py",
        folder,
        *(mode, livekit.url, token, str(SAMPLES)),
        *(str(ROOT), sysconfig.get_path("purelib")),
        LIVEKIT_URL=livekit.url,
        LIVEKIT_API_KEY=livekit.key,
        LIVEKIT_API_SECRET=livekit.secret,
        AVATAR_GATEWAY_URL=gateway.url,
        AVATAR_GATEWAY_KEY=gateway.key,
        PYTHONPATH=str(PLUGIN),
        **env,
    )


@pytest.fixture
def talk(request, python, livekit, gateway, room_token, tmp_path) -> Iterator[Talk]:
    """Agent with its avatar; the parameter says where the avatar runs."""
    mode, worker, room = request.param, None, f"plugin-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        if mode == "worker":
            mode = f"avatars-{room}"
            worker = stack.enter_context(working(livekit, mode, tmp_path / "worker"))
        program = stack.enter_context(
            agent(
                python, livekit, gateway, tmp_path,
                mode=mode, token=room_token(room, "agent", "agent"),
            )
        )  # fmt: skip
        program.wait("joined")
        token = room_token(room, "listener")

        @contextmanager
        def join() -> Iterator[Listener]:
            with listening(livekit.url, token, tmp_path, identity=AVATAR) as listener:
                listener.wait_for_media()
                yield listener

        yield Talk(program, join, mode, worker)
        program.end()
        assert program.events[-1]["event"] == "left" or program.wait("left")
        if not was_killed(
            worker
        ):  # then the stock sender logs a traceback for a failed clear
            assert "Traceback" not in program.log()


def was_killed(worker: Gateway | None) -> bool:
    return worker is not None and not is_alive(worker.pid)


def is_alive(pid: int) -> bool:
    """Return whether a process runs. A zombie still has its id, but does not run."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def working(livekit, agent_name: str, folder: Path):
    folder.mkdir()
    return running_gateway(
        livekit.url,
        livekit.key,
        livekit.secret,
        folder / "worker.log",
        mode="worker",
        LITE_AGENT_NAME=agent_name,
        LITE_DRAIN_S="0",
        **LEAN,
    )


def pcm(name: str) -> bytes:
    return read_wav(SAMPLES / f"{name}.wav")


def length(name: str) -> float:
    return len(pcm(name)) / 2 / SENT_RATE


@pytest.mark.parametrize(
    "talk",
    [
        "http",
        *(pytest.param(way, marks=pytest.mark.slow) for way in ("local", "worker")),
    ],
    indirect=True,
)
@best_of(3)
def test_agent_speaks_through_its_avatar_and_is_interrupted(talk):
    with talk.join() as listener:
        spoke_s = time.monotonic()
        result = talk.say("hello")
        interrupted_turn_s = time.monotonic()
        talk.program.tell("say long")
        talk.program.wait("playback_started")
        time.sleep(0.8)
        talk.program.tell("cut")
        cutting = talk.program.wait("cutting")
        cut = talk.program.wait("said")
        again = talk.say("hello")
        time.sleep(0.5)
        heard = listener.leave()

    assert not result["interrupted"]
    assert cut["interrupted"]
    assert not again["interrupted"]
    [started, second, _] = talk.events("playback_started", spoke_s)
    [finished, last, _] = talk.events("playback_finished", spoke_s)
    assert finished["position"] == pytest.approx(length("hello"), abs=0.1)
    assert not finished["interrupted"]
    assert last["interrupted"]
    numbered = heard.frames[heard.frames[:, 2] > 0]
    with figures():
        took_s = finished["at"] - started["at"]
        assert took_s == pytest.approx(length("hello"), abs=0.25)
        # The stock sender waits 2 s for a lost answer.
        assert cut["at"] - cutting["at"] < 1.5
        spoken_s = cutting["at"] - second["at"]
        assert last["position"] == pytest.approx(spoken_s, abs=0.15)
        assert heard.match(pcm("hello"), until_s=interrupted_turn_s)[0] > MIN_MATCH
        assert len(numbered) > 15 * length("hello")


@pytest.mark.parametrize("mode", ["http", "local"])
def test_a_background_that_the_avatar_cannot_have_is_refused(
    python, livekit, gateway, room_token, tmp_path, mode
):
    token = room_token(f"plugin-{uuid.uuid4().hex[:8]}", "agent", "agent")
    with agent(
        python, livekit, gateway, tmp_path,
        mode=mode, token=token, BACKGROUND="#102030",
    ) as program:  # fmt: skip
        until(lambda: "background: " in program.log())


@pytest.mark.slow
@pytest.mark.parametrize("talk", ["worker"], indirect=True)
def test_avatar_of_a_killed_worker_is_replaced(talk, livekit, tmp_path):
    with working(livekit, talk.mode, tmp_path / "another") as another:
        talk.program.tell("say long")
        talk.program.wait("playback_started")
        os.kill(talk.worker.pid, signal.SIGKILL)
        killed_s = time.monotonic()
        result = talk.program.wait("said")  # the unfinished speech has ended
        print("over after", round(result["at"] - killed_s, 1), "s")
        while "the avatar has left the room" not in talk.program.log():
            assert time.monotonic() - killed_s < PATIENCE_S
            time.sleep(0.1)
        print("seen after", round(time.monotonic() - killed_s, 1), "s")
        again = talk.say("hello")
        print("spoke after", round(again["at"] - killed_s - length("hello"), 1), "s")
        assert not again["interrupted"]
        until(lambda: another.metrics()["lite_sessions"] == 1)


@pytest.mark.slow
@pytest.mark.computes
def test_plugin_passes_strict_type_checks_with_livekit_agents(python):
    """Check against the release in the clients' environment."""
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-untyped-imports"]
    command += ["--namespace-packages", "--explicit-package-bases"]
    command += ["--config-file="]  # not the gateway's, which skips the agents' types
    command += ["--python-executable", str(python), "-p", "livekit.plugins.lite_avatar"]
    env = {**os.environ, "MYPYPATH": f"{PLUGIN}:{ROOT}"}
    completed = subprocess.run(
        command, cwd=PLUGIN, env=env, capture_output=True, text=True, check=False
    )
    wrong = [line for line in completed.stdout.splitlines() if "lite_avatar" in line]
    assert not wrong, "\n".join(wrong)
    assert "error: " not in completed.stderr
