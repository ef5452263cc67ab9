"""Agent process of the gateway: real children over a real socket, good and bad."""

import asyncio
import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest

from lite_gateway.child_process import RESTART_CHILD
from lite_gateway.conversation import agent_process
from lite_gateway.conversation.agent_process import AgentProcess
from lite_gateway.conversation.link import LOST
from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from lite_gateway.supervisor import Supervisor
from protocol.link.messages import (
    Attend,
    Command,
    Ended,
    Happened,
    Joined,
    OpenTurn,
    SealTurn,
    ToGateway,
    TurnAudioPiece,
)
from protocol.link.settings import ConversationSettings, Endpoint
from tests.conversation.strange_agent import FLOOD, SPEECH
from tests.waiting import until, until_async

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
STRANGE = "tests.conversation.strange_agent"
TOKEN = "token-that-only-this-room-has"
KEY = "key-of-the-model"


def settings(behaviour: str, **more: str) -> ConversationSettings:
    return ConversationSettings(
        session_id=behaviour,
        room_url="ws://127.0.0.1:1",
        room_token=TOKEN,
        avatar_identity="heygen",
        mode="FULL",
        llm=Endpoint("https://api.example.com/v1", "small", KEY),
        **more,
    )


class Recorder:
    """Receiver that keeps what comes."""

    def __init__(self) -> None:
        self.messages: list[ToGateway] = []
        self.losses: list[str] = []

    def receive(self, message: ToGateway) -> None:
        self.messages.append(message)

    def lost(self, text: str) -> None:
        self.losses.append(text)

    @property
    def joined(self) -> bool:
        return any(isinstance(message, Joined) for message in self.messages)


@contextlib.asynccontextmanager
async def agent(
    module: str = STRANGE, *, hang_s: float = agent_process.HANG_S
) -> AsyncIterator[AgentProcess]:
    """Run an agent process under a supervisor; yield it when it is ready."""
    metrics = Metrics()
    process = AgentProcess(dict(os.environ), metrics, module=module, hang_s=hang_s)
    async with Supervisor(metrics).running() as supervisor:
        supervisor.add("agent process", process.run, RESTART_CHILD)
        await until_async(lambda: process.state == "ready")
        yield process


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(main())


def test_a_conversation_begins_speaks_and_ends():
    async def main() -> None:
        async with agent() as process:
            recorder = Recorder()
            link = process.begin(settings("good"), recorder)
            await until_async(lambda: recorder.joined)
            link.send(Command(link.number, "speak_text", "hello"))
            await until_async(lambda: len(recorder.messages) == 5)
            assert recorder.messages == [
                Joined(1),
                OpenTurn(1, 1),
                TurnAudioPiece(1, 1, SPEECH),
                SealTurn(1, 1),
                Happened(1, "avatar.transcription", "hello", turn=1),
            ]
            await link.end(within_s=60)
            assert recorder.messages[-1] == Ended(1, "USER_CLOSED", "as asked")
            assert not recorder.losses
            link.send(Command(link.number, "interrupt"))  # does nothing

    run(main)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("dies", "SIGKILL"),
        ("garbage", "nonsense"),
        ("too long", "nonsense: a header announces 4294967295 bytes"),
        ("wrong way", "nonsense: a message has the wrong direction"),
        ("hangs", "it hangs within 2 s"),
        ("closes", "no worker has connected within 1 s"),
    ],
)
def test_a_child_that_misbehaves_is_started_again(
    behaviour, reason, caplog, monkeypatch
):
    monkeypatch.setattr(agent_process, "PING_PERIOD_S", 0.2)
    # One that dies must not seem to stay away on a busy machine, nor others to hang.
    if behaviour == "closes":
        monkeypatch.setattr(agent_process, "AGAIN_S", 1.0)

    async def main() -> None:
        async with agent() as process:
            other, bad = Recorder(), Recorder()
            process.begin(settings("good"), other)
            await until_async(lambda: other.joined)
            if behaviour == "hangs":
                process._hang_s = 2.0
            link = process.begin(settings(behaviour), bad)
            await until_async(lambda: other.losses and bad.losses)
            process._hang_s = agent_process.HANG_S
            assert other.losses == bad.losses == [LOST]
            with contextlib.suppress(Refused):  # not before it is ready again
                process.begin(settings("good"), Recorder())
            link.send(Command(link.number, "interrupt"))
            await link.end(within_s=60)  # at once
            await until_async(lambda: process.state == "ready")
            again = Recorder()
            process.begin(settings("good"), again)
            await until_async(lambda: again.joined)

    run(main)
    assert re.search(reason, caplog.text)
    assert TOKEN not in caplog.text
    assert KEY not in caplog.text


def test_while_the_child_starts_conversations_are_refused_for_a_while():
    async def main() -> None:
        process = AgentProcess(dict(os.environ), Metrics(), module=STRANGE)
        assert process.state == "starting"
        with pytest.raises(Refused) as refused:
            process.begin(settings("good"), Recorder())
        assert (refused.value.status, refused.value.retry_s) == (503, 5.0)

    run(main)


def test_without_the_extra_or_turned_off_it_says_how_to_get_conversations(monkeypatch):
    monkeypatch.setattr(agent_process, "missing_packages", lambda mode: "all")
    missing = AgentProcess({}, Metrics())
    off = AgentProcess({}, Metrics(), enabled=False)
    assert (missing.state, off.state) == ("not installed", "off")
    for process, text in ((missing, "pip install"), (off, "LITE_CONVERSATIONS=off")):
        assert not process.runs
        with pytest.raises(Refused, match=text) as refused:
            process.begin(settings("good"), Recorder())
        assert (refused.value.status, refused.value.retry_s) == (422, None)


def test_settings_that_are_too_long_harm_no_other_conversation():
    async def main() -> None:
        async with agent() as process:
            with pytest.raises(Refused, match="too long") as refused:
                process.begin(
                    settings("good", instructions="x" * (1 << 20)), Recorder()
                )
            assert refused.value.status == 422
            recorder = Recorder()
            process.begin(settings("good"), recorder)
            await until_async(lambda: recorder.joined)

    run(main)


def test_a_text_that_is_too_long_ends_its_own_conversation_only(caplog):
    async def main() -> None:
        async with agent() as process:
            recorders = [Recorder(), Recorder(), Recorder()]
            good = process.begin(settings("good"), recorders[0])
            bad = process.begin(settings("good"), recorders[1])
            bad.send(Command(bad.number, "speak_response", "long"))
            await until_async(lambda: bad.over)
            good.send(Command(good.number, "speak_text", "still here"))
            process.begin(settings("good"), recorders[2])
            await until_async(lambda: recorders[2].joined)
            assert [len(each.losses) for each in recorders] == [0, 1, 0]
            assert recorders[0].messages[-1].text == "still here"

    run(main)
    assert "a message has 3000" in caplog.text


def test_a_flood_of_messages_leaves_the_loop_to_others():
    async def main() -> None:
        async with agent() as process:
            recorder, turns = Recorder(), 0
            process.begin(settings("flood"), recorder)
            while len(recorder.messages) <= FLOOD and not recorder.losses:
                await asyncio.sleep(0)
                turns += 1
            assert not recorder.losses
            assert recorder.messages[:-1] == [Attend(1, "speaking")] * FLOOD
            # 30,000 messages take some 100 ms, in slices of 0.5 ms and more.
            assert turns > 30

    run(main)


def test_a_child_that_reads_nothing_is_ended_and_no_memory_grows(caplog):
    async def main() -> None:
        async with agent(hang_s=600) as process:
            recorder = Recorder()
            link = process.begin(settings("hangs"), recorder)
            text = "x" * 100_000
            for _ in range(200):
                link.send(Command(link.number, "speak_text", text))
            await until_async(lambda: recorder.losses)
            await until_async(lambda: process.state == "ready")

    run(main)
    assert "bytes unread" in caplog.text


def test_a_receiver_that_fails_loses_its_conversation_only(caplog):
    class Failing(Recorder):
        def receive(self, message: ToGateway) -> None:
            raise RuntimeError("a fault of the test")

    async def main() -> None:
        async with agent() as process:
            failing, other = Failing(), Recorder()
            process.begin(settings("good"), failing)
            process.begin(settings("good"), other)
            await until_async(lambda: other.joined and failing.losses)
            assert not other.losses

    run(main)


def test_a_child_that_shouts_does_not_flood_the_log(caplog):
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with agent() as process:
            recorder = Recorder()
            process.begin(settings("shouts"), recorder)
            await until_async(lambda: recorder.joined)
            await until_async(lambda: "line 400" in caplog.text)

    run(main)
    assert caplog.text.count("strange: line") < 2000


def test_the_child_sees_no_setting_key_or_proxy_of_the_gateway(tmp_path):
    hidden = {
        "LITE_API_KEYS": "a-key",
        "LIVEKIT_API_SECRET": "a-secret",
        "OPENAI_API_KEY": "another-key",
        "HTTPS_PROXY": "http://proxy",
    }

    async def main() -> None:
        metrics = Metrics()
        environment = {**os.environ, **hidden}
        process = AgentProcess(environment, metrics, module=STRANGE)
        async with Supervisor(metrics).running() as supervisor:
            supervisor.add("agent process", process.run, RESTART_CHILD)
            await until_async(lambda: process.state == "ready")
            [child] = children_of(os.getpid())
            folder = Path("/proc") / str(child)
            if not folder.exists():
                pytest.skip("no /proc here")
            environ = (folder / "environ").read_bytes().decode()
            arguments = (folder / "cmdline").read_bytes().decode().split("\0")
            assert modes(Path(arguments[-2])) == ("600", "700")
        assert not [name for name in hidden if name in environ]
        assert not [value for value in hidden.values() if value in environ]
        assert arguments[1:4] == ["-P", "-m", STRANGE]

    run(main)


def modes(path: Path) -> tuple[str, str]:
    """Return the permissions of a file and of its folder, in octal."""
    return oct(path.stat().st_mode)[-3:], oct(path.parent.stat().st_mode)[-3:]


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent is ``pid`` and that run the strange agent."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().decode()
            if int(status[1]) == pid and STRANGE in command:
                found.append(int(folder.name))
    return found


PROGRAM = f"""
import asyncio, os
from lite_gateway.conversation.agent_process import AgentProcess
from lite_gateway.metrics import Metrics

async def main():
    process = AgentProcess(dict(os.environ), Metrics(), module={STRANGE!r})
    async with asyncio.TaskGroup() as group:
        group.create_task(process.run())
        while process.state != "ready":
            await asyncio.sleep(0.01)
        print("ready", flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="no /proc here")
def test_the_child_of_a_killed_gateway_ends_by_itself():
    gateway = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == b"ready\n"
        [child] = children_of(gateway.pid)
    finally:
        gateway.send_signal(signal.SIGKILL)
        gateway.communicate()
    until(lambda: not Path(f"/proc/{child}").exists() or is_zombie(child))


def is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
