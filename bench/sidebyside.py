"""
``bench side-by-side``: this server and its peers say the same things in the same run.

A voice alone (the physical limit), the stock runner of livekit-agents, a model of a
batching design, and ours, by WebSocket and by data stream: the same utterances with the
same cuts, in blocks that take turns, so that a noisy minute is nobody's alone; all at a
subscriber in another process.
The model alone is cut a second later: a cut must find sound to end.
Where an agent's side is told when speech is over, two segments are queued as well and
cut at once, and one more is said.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from rich.console import Console

from bench.environment import Unavailable
from bench.peers import batching, data_stream, stock_runner, voice
from bench.peers.workload import Measured, System, measure
from bench.probe.listening import Listener, attended
from bench.probe.stack import Stack
from bench.report.figures import Report
from lite_gateway.client import AvatarSession
from lite_gateway.client.pacing import send

NAME = ""  # ours, in a report
PEERS = ("voice", "data-stream", "stock-runner", "batching")
_SETTLE_S = 2.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5, help="a round, each cut")
    parser.add_argument("--queued", type=int, default=3, help="a round, two and a cut")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--quality", default="512x512")


class Client:
    """A client of this server, over the WebSocket."""

    def __init__(self, avatar: AvatarSession) -> None:
        self._avatar = avatar
        self._over_s = 0.0

    async def say(self, pcm: bytes) -> float:
        at_s = time.monotonic()
        await send(self._avatar, pcm, "burst")
        return at_s

    async def cut(self) -> float:
        """Returns when the answer is read."""
        at_s, talking, cleared = time.monotonic(), False, False
        await self._avatar.interrupt()
        async for event in self._avatar.events():
            match event["type"]:
                case "agent.speak_started":
                    talking = True
                case "agent.speak_ended" | "agent.speak_interrupted":
                    talking = False
                case "agent.audio_buffer_cleared":
                    cleared = True
            if cleared and not talking:
                break
        self._over_s = time.monotonic()
        return at_s

    async def over(self) -> float:
        return self._over_s


def ours(stack: Stack, quality: str) -> System:
    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Client, Listener]]:
        with tempfile.TemporaryDirectory() as folder:
            async with attended(
                stack.gateway,
                "fiducial",
                Path(folder),
                video_settings={"quality": quality},
            ) as (avatar, listener):
                await asyncio.sleep(_SETTLE_S)
                yield Client(avatar), listener

    return System(NAME, opened)


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    systems = [ours(stack, given.quality)]
    report = Report("side by side", {"quality": given.quality})
    for name in given.peers.split(","):
        match name:
            case "voice":
                systems.append(voice.system(stack))
            case "batching":
                systems.append(batching.system(stack))
            case "data-stream" | "stock-runner":
                systems += _stock(name, stack, console, report)
            case _:
                raise SystemExit(f"--peers is of {', '.join(PEERS)}, not {name!r}")
    measured = asyncio.run(_take_turns(systems, given, console))
    for system, each in zip(systems, measured, strict=True):
        each.add_to(report, system.name)
    return [report]


def _stock(name: str, stack: Stack, console: Console, report: Report) -> list[System]:
    """None, where its environment cannot be made: the others need not wait for it."""
    try:
        if name == "data-stream":
            quality = str(report.conditions["quality"])
            stock = data_stream.system(stack, console, quality)
        else:
            stock = stock_runner.system(stack, console)
    except Unavailable as failed:
        console.print(f"side by side: without the {name}: {failed}")
        report.conditions["left out"] = name
        return []
    report.conditions["peer"] = stock_runner.peer()
    return [stock]


async def _take_turns(
    systems: Sequence[System], given: argparse.Namespace, console: Console
) -> list[Measured]:
    """Block by block; the same chance in each block of a round."""
    measured = [Measured() for _ in systems]
    for number in range(given.rounds):
        for system, kept in zip(systems, measured, strict=True):
            began_s = time.monotonic()
            await measure(system, kept, given.turns, given.queued, seed=number)
            took_s = time.monotonic() - began_s
            name = system.name or "this server"
            console.print(
                f"side by side: round {number + 1} of {given.rounds}, {name}: "
                f"{given.turns} turns, each cut, in {took_s:.0f} s"
            )
    return measured
