"""Examples, started as their readers start them."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from livekit import api

from bench.probe.listening import MIN_MATCH, Recording, listening
from lite_gateway.offline.wav import read_wav
from tests.waiting import PATIENCE_S, best_of, figures, until

pytestmark = [pytest.mark.livekit, pytest.mark.clients]
ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "web" / "samples"


def named(gateway, livekit) -> dict[str, str]:
    """Return an environment that names the servers of this test run."""
    return {
        **os.environ,
        "LIVEAVATAR_URL": gateway.url,
        "LIVEAVATAR_AVATAR_ID": "fiducial",
        "LIVEKIT_URL": livekit.url,
        "LIVEKIT_API_KEY": livekit.key,
        "LIVEKIT_API_SECRET": livekit.secret,
    }


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        (("websocket_client.py", "hello.wav"), '{"type":"agent.speak_ended"'),
        (("python_client.py", "long.wav", "1.0"), "agent.speak_interrupted after "),
    ],
)
def test_example_client_speaks(gateway, livekit, arguments, last):
    name, sample, *more = arguments
    ran = subprocess.run(
        [sys.executable, f"examples/{name}", SAMPLES / sample, *more],
        cwd=ROOT,
        env={**named(gateway, livekit), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    first, *_, over = ran.stdout.splitlines()
    assert first.startswith(f"join {livekit.url} with ey")
    assert over.startswith(last)


def test_websocket_example_has_at_most_40_lines():
    text = (ROOT / "examples" / "websocket_client.py").read_text()
    body = text.split('"""', 2)[2]
    lines = [line for line in body.splitlines() if line.strip()]
    assert len([line for line in lines if not line.startswith("#")]) <= 40


@contextmanager
def started(
    python: Path, log_path: Path, env: dict[str, str], *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            [python, *arguments], cwd=ROOT, env=env, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def spoken(gateway) -> float:
    """Return the number of turns that the gateway has played."""
    counted = gateway.metrics().items()
    return sum(count for name, count in counted if name.startswith("lite_turns_total"))


def await_turn(gateway, before: float, log_path: Path) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while spoken(gateway) == before:
        assert time.monotonic() < until_s, log_path.read_text()[-3000:]
        time.sleep(0.1)
    time.sleep(0.7)  # until the end is heard


def people(livekit, room: str) -> list[str]:
    """Return the identities of the participants of a room."""

    async def identities() -> list[str]:
        async with api.LiveKitAPI(livekit.url, livekit.key, livekit.secret) as server:
            request = api.ListParticipantsRequest(room=room)
            listed = await server.room.list_participants(request)
            return [participant.identity for participant in listed.participants]

    return asyncio.run(identities())


def hello(heard: Recording) -> float:
    """Return the correlation with the end of the greeting; its start can be missed."""
    return heard.match(read_wav(SAMPLES / "hello.wav")[-2 * 36_000 :])[0]


@pytest.mark.slow
@best_of(3)
def test_livekit_agent_example_is_heard(python, gateway, livekit, room_token, tmp_path):
    env, log_path = named(gateway, livekit), tmp_path / "agent.log"
    command = "examples/livekit_agent.py", "connect", "--room", "example"
    before = spoken(gateway)
    with (
        listening(
            livekit.url,
            room_token("example", "me"),
            tmp_path,
            identity="liveavatar-avatar-agent",
        ) as listener,
        started(python, log_path, env, *command),
    ):
        await_turn(gateway, before, log_path)
        likeness = hello(listener.leave())
    with figures():
        assert likeness > MIN_MATCH, log_path.read_text()[-3000:]


@pytest.mark.slow
@best_of(3)
def test_pipecat_bot_example_is_heard(python, gateway, livekit, room_token, tmp_path):
    env, log_path = named(gateway, livekit), tmp_path / "bot.log"
    before, until_s = set(gateway.active_sessions()), time.monotonic() + PATIENCE_S
    turns = spoken(gateway)
    with started(python, log_path, env, "examples/pipecat_bot.py") as bot:
        while not (rooms := set(gateway.active_sessions()) - before):
            assert time.monotonic() < until_s, log_path.read_text()[-3000:]
            time.sleep(0.1)
        [room] = rooms
        until(lambda: len(people(livekit, room)) == 2)  # the bot joins after its avatar
        token = room_token(room, "me")
        with listening(livekit.url, token, tmp_path, identity="heygen") as listener:
            await_turn(gateway, turns, log_path)
            likeness = hello(listener.leave())
        bot.wait(PATIENCE_S)  # it exits when the user has left
    until(lambda: room not in gateway.active_sessions())
    with figures():
        assert likeness > MIN_MATCH, log_path.read_text()[-3000:]
