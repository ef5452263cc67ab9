"""
``bench stock-runner``: the same speech through the stock avatar of livekit-agents.

What a user would build instead: `AvatarRunner` fed by `DataStreamAudioOutput`, both at
their defaults, with a generator that costs next to nothing.  livekit-agents pins an SDK
of its own, so avatar and agent run in an environment made for them on first use.
"""

import argparse
import asyncio
import contextlib
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

from livekit import api
from rich.console import Console

from bench.environment import Unavailable, cached
from bench.peers.workload import Measured, System, measure
from bench.probe.listening import Listener, listening
from bench.probe.stack import Stack
from bench.report.figures import Report

NAME = "stock runner"
PEERS = Path(__file__).parent
REQUIREMENTS = PEERS / "requirements.txt"
AVATAR, SENDER = "stock-avatar", "stock-sender"
_SETTLE_S = 3.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--queued", type=int, default=6, help="times two, and a cut")


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    try:
        stock = system(stack, console)
    except Unavailable as failed:
        raise SystemExit(f"{NAME}: {failed}") from None
    console.print(f"{NAME}: {given.turns} turns, each cut; {given.queued} times two")
    measured, report = Measured(), Report(NAME, {"peer": peer()})
    asyncio.run(measure(stock, measured, given.turns, given.queued, seed=3))
    measured.add_to(report, NAME)
    return [report]


def system(stack: Stack, console: Console) -> System:
    """Makes the peers' environment if need be."""
    python = cached("peers", REQUIREMENTS, partial(console.print, markup=False))
    return System(NAME, lambda: _opened(stack, python))


def peer() -> str:
    """Name and version."""
    return REQUIREMENTS.read_text().strip()


class Peer:
    """A program of `bench.peers` that has joined the room."""

    def __init__(self, process: subprocess.Popen[str], log_path: Path) -> None:
        self._process, self._log_path = process, log_path

    def answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            told = self._log_path.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the peer ended:\n{told}")
        return line

    async def told(self, line: str) -> float:
        """When it did what it was told."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return float(await asyncio.to_thread(self.answer))


@contextlib.contextmanager
def joined(python: Path, program: str, folder: Path, *arguments: str) -> Iterator[Peer]:
    """One of the peers' programs, in the room, and ended afterwards."""
    log_path = folder / f"{program}.log"
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            [python, PEERS / program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            peer = Peer(process, log_path)
            line = peer.answer()
            assert line == "joined", line
            yield peer
        finally:
            process.kill()


def agent_token(stack: Stack, room: str, identity: str, **attributes: str) -> str:
    return (
        api.AccessToken(stack.livekit.key, stack.livekit.secret)
        .with_kind("agent")
        .with_identity(identity)
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .with_attributes(attributes)
        .to_jwt()
    )


class Sender:
    """The agent's side of the stock avatar."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self._peer, self._folder = peer, folder

    async def say(self, pcm: bytes) -> float:
        path = self._folder / "said.pcm"
        path.write_bytes(pcm)
        return await self._peer.told(f"say {path}")

    async def cut(self) -> float:
        return await self._peer.told("cut")

    async def over(self) -> float:
        return await self._peer.told("over")


@contextlib.asynccontextmanager
async def _opened(stack: Stack, python: Path) -> AsyncIterator[tuple[Sender, Listener]]:
    name, url = f"stock-{time.monotonic_ns()}", stack.livekit.url
    behalf = {"lk.publish_on_behalf": SENDER}
    avatar_token = agent_token(stack, name, AVATAR, **behalf)
    sender_token = agent_token(stack, name, SENDER)
    with contextlib.ExitStack() as around:
        folder = Path(around.enter_context(tempfile.TemporaryDirectory()))

        def program(name: str, *arguments: str) -> Peer:
            return around.enter_context(joined(python, name, folder, url, *arguments))

        token = stack.room_token(name, "listener")
        listener = around.enter_context(listening(url, token, folder))
        program("stock_avatar.py", avatar_token, SENDER)
        sender = program("stock_sender.py", sender_token, AVATAR)
        await asyncio.sleep(_SETTLE_S)
        yield Sender(sender, folder), listener
