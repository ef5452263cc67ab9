"""
Scenario ``stock-runner``: the side-by-side workload through LiveKit's AvatarRunner.

It is what a user would build without this server: `AvatarRunner` fed by
`DataStreamAudioOutput`, both at their defaults, with a generator that costs next to
nothing. livekit-agents pins an SDK of its own, so avatar and agent run in a virtual
environment that is made on first use.
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
    parser.add_argument(
        "--turns",
        type=int,
        default=20,
        help="utterances, each interrupted (default: %(default)s)",
    )
    parser.add_argument(
        "--queued",
        type=int,
        default=6,
        help="interrupts of two queued segments (default: %(default)s)",
    )


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    try:
        stock = system(stack, console)
    except Unavailable as failed:
        raise SystemExit(f"{NAME}: {failed}") from None
    console.print(
        f"{NAME}: {args.turns} turns, each interrupted; "
        f"{args.queued} times two queued segments"
    )
    measured, report = Measured(), Report(NAME, {"peer": peer()})
    asyncio.run(measure(stock, measured, args.turns, args.queued, seed=3))
    measured.add_to(report, NAME)
    return [report]


def system(stack: Stack, console: Console) -> System:
    """Return the system; make the peers' environment if it is not there."""
    python = cached("peers", REQUIREMENTS, partial(console.print, markup=False))
    return System(NAME, lambda: _opened(stack, python))


def peer() -> str:
    """Return name and version of the peer."""
    return REQUIREMENTS.read_text().strip()


class Peer:
    """Program of `bench.peers` that has joined a room."""

    def __init__(self, process: subprocess.Popen[str], log_path: Path) -> None:
        self._process, self._log_path = process, log_path

    def answer(self) -> str:
        """Read a line; raise `RuntimeError` if the program has exited."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            log = self._log_path.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the peer exited; its log ends with:\n{log}")
        return line

    async def command(self, line: str) -> float:
        """Send a line and return the time that the program answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return float(await asyncio.to_thread(self.answer))


@contextlib.contextmanager
def joined(python: Path, program: str, folder: Path, *arguments: str) -> Iterator[Peer]:
    """Run one of the peers' programs until the context ends."""
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
    """Speech target: the agent's side of the stock avatar."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self._peer, self._folder = peer, folder

    async def say(self, pcm: bytes) -> float:
        path = self._folder / "said.pcm"
        path.write_bytes(pcm)
        return await self._peer.command(f"say {path}")

    async def interrupt(self) -> float:
        return await self._peer.command("interrupt")

    async def last_end(self) -> float:
        return await self._peer.command("last_end")


@contextlib.asynccontextmanager
async def _opened(stack: Stack, python: Path) -> AsyncIterator[tuple[Sender, Listener]]:
    name, url = f"stock-{time.monotonic_ns()}", stack.livekit.url
    attributes = {"lk.publish_on_behalf": SENDER}
    avatar_token = agent_token(stack, name, AVATAR, **attributes)
    sender_token = agent_token(stack, name, SENDER)
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))

        def program(name: str, *arguments: str) -> Peer:
            return cleanup.enter_context(joined(python, name, folder, url, *arguments))

        token = stack.room_token(name, "listener")
        listener = cleanup.enter_context(listening(url, token, folder))
        program("stock_avatar.py", avatar_token, SENDER)
        sender = program("stock_sender.py", sender_token, AVATAR)
        await asyncio.sleep(_SETTLE_S)
        yield Sender(sender, folder), listener
