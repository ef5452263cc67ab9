"""
Scenario ``side-by-side``: this server and other systems speak the same in one run.

The systems are: a voice alone (the physical limit), the stock runner of livekit-agents,
a model of a batching design, and this server by WebSocket and by data stream. All get
the same utterances with the same interrupts, in blocks that take turns, so that a busy
minute of the machine affects every system. A subscriber in another process measures.
The model of batching is interrupted one second later, because there must be audio to
end. Where an agent is told when speech is over, two segments are also queued and
interrupted at once, and one more is said.
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
from bench.probe.listening import Listener, with_listener
from bench.probe.stack import Stack
from bench.report.figures import Report
from lite_gateway.client import AvatarSession
from lite_gateway.client.pacing import send

NAME = ""  # this server, in a report
PEERS = ("voice", "data-stream", "stock-runner", "batching")
_SETTLE_S = 2.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rounds",
        type=int,
        default=2,
        help="blocks for each system (default: %(default)s)",
    )
    parser.add_argument(
        "--turns",
        type=int,
        default=5,
        help="utterances in a block, each interrupted (default: %(default)s)",
    )
    parser.add_argument(
        "--queued",
        type=int,
        default=3,
        help="interrupts of two queued segments in a block (default: %(default)s)",
    )
    parser.add_argument(
        "--peers",
        default=",".join(PEERS),
        help="other systems, comma-separated (default: %(default)s)",
    )
    parser.add_argument(
        "--quality", default="512x512", help="WIDTHxHEIGHT (default: %(default)s)"
    )


class WebSocketTarget:
    """Speech target: this server over the WebSocket."""

    def __init__(self, avatar: AvatarSession) -> None:
        self._avatar = avatar
        self._ended_s = 0.0

    async def say(self, pcm: bytes) -> float:
        at_s = time.monotonic()
        await send(self._avatar, pcm, "burst")
        return at_s

    async def interrupt(self) -> float:
        """Interrupt and wait for the answer."""
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
        self._ended_s = time.monotonic()
        return at_s

    async def last_end(self) -> float:
        return self._ended_s


def this_server(stack: Stack, quality: str) -> System:
    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[tuple[WebSocketTarget, Listener]]:
        with tempfile.TemporaryDirectory() as folder:
            async with with_listener(
                stack.gateway,
                "fiducial",
                Path(folder),
                video_settings={"quality": quality},
            ) as (avatar, listener):
                await asyncio.sleep(_SETTLE_S)
                yield WebSocketTarget(avatar), listener

    return System(NAME, opened)


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    systems = [this_server(stack, args.quality)]
    report = Report("side by side", {"quality": args.quality})
    for name in args.peers.split(","):
        match name:
            case "voice":
                systems.append(voice.system(stack))
            case "batching":
                systems.append(batching.system(stack))
            case "data-stream" | "stock-runner":
                systems += _stock(name, stack, console, report)
            case _:
                raise SystemExit(
                    f"--peers: the peers are {', '.join(PEERS)}, not {name!r}"
                )
    results = asyncio.run(_take_turns(systems, args, console))
    for system, measured in zip(systems, results, strict=True):
        measured.add_to(report, system.name)
    return [report]


def _stock(name: str, stack: Stack, console: Console, report: Report) -> list[System]:
    """Return the peer, or nothing if its environment cannot be made."""
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
    systems: Sequence[System], args: argparse.Namespace, console: Console
) -> list[Measured]:
    """Measure block by block; the blocks of a round have the same random numbers."""
    results = [Measured() for _ in systems]
    for number in range(args.rounds):
        for system, measured in zip(systems, results, strict=True):
            started_s = time.monotonic()
            await measure(system, measured, args.turns, args.queued, seed=number)
            took_s = time.monotonic() - started_s
            name = system.name or "this server"
            console.print(
                f"side by side: round {number + 1} of {args.rounds}, {name}: "
                f"{args.turns} turns, each interrupted, in {took_s:.0f} s"
            )
    return results
