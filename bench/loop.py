"""
Scenario ``loop``: how long the event loop is blocked, under bursts and bad input.

Sessions speak throughout. In the phase "bursts" each turn is one message of 20 s of
audio, interrupted soon after. In "bad input" another client sends malformed and
oversized messages as fast as it can. In "starts" sessions are started and stopped. A
timer of 1 ms in the gateway's process records how late the loop wakes (see
`bench.probe.loop_monitor`): a block of B ms is reported as B - 1 to B ms. The loop also
wakes late where other processes have the processors, or the host stops one: its own
thread waits for it, or another one that holds Python's lock does. Those waits are
reported beside it, and do not count as blocked. The budget is that the loop is never
blocked for more than 5 ms. docs/budgets.md has more.
"""

import argparse
import asyncio
import base64
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console

from bench.probe.listening import speech
from bench.probe.lock_watch import watched
from bench.probe.loop_monitor import WRITE_PERIOD_S, Wake, read, read_lock
from bench.probe.process import MachineReading
from bench.probe.stack import Gateway, Stack, running_gateway
from bench.report.figures import Report
from lite_gateway.client import AvatarSession, open_session
from lite_gateway.config import Config
from lite_gateway.devserver.process import LiveKit
from protocol.lite.messages import MAX_PCM_BYTES

BUDGET = "p100 ≤ 5"
_BURST_S = 20.0  # audio of one message; 21.8 s are allowed
_SETTLE_S = 1.0
_OVERSIZED_BYTES = 5 << 20  # above what a message may hold, below what closes a socket


@dataclass(frozen=True, slots=True)
class Phase:
    """Period of time with one kind of load."""

    name: str
    started_s: float
    ended_s: float
    others: float  # share of the processors that other processes, or the host, had


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds",
        type=float,
        default=5.0,
        help="duration of each phase (default: %(default)s)",
    )
    parser.add_argument(
        "--sessions",
        type=int,
        default=2,
        help="sessions that speak (default: %(default)s)",
    )
    parser.add_argument(
        "--avatar", default=Config().default_avatar, help="default: %(default)s"
    )
    parser.add_argument(
        "--quality", default="512x512", help="WIDTHxHEIGHT (default: %(default)s)"
    )


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    return [measure(args, stack.livekit, console)]


def measure(
    args: argparse.Namespace,
    livekit: LiveKit,
    console: Console,
    driver: str = Config().driver,
) -> Report:
    """Run the phases against a gateway of their own that uses ``driver``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wakes"
        with running_gateway(
            livekit.url,
            livekit.key,
            livekit.secret,
            Path(folder) / "gateway.log",
            command=("-m", "bench.probe.loop_monitor", str(path)),
            LITE_DRIVER=driver,
        ) as gateway:
            with watched(gateway.pid, read_lock(path), Path(folder)) as idle:
                phases = asyncio.run(_load(args, gateway, console))
            time.sleep(2 * WRITE_PERIOD_S)
            wakes = read(path, idle)
    conditions = {name: getattr(args, name) for name in ("sessions", "avatar")}
    return report(phases, wakes, {**conditions, "timer": "1 ms"})


def report(
    phases: Sequence[Phase], wakes: Sequence[Wake], conditions: dict[str, object]
) -> Report:
    """Return how late the loop woke in each phase, and what it did meanwhile."""
    result = Report("loop", conditions)
    for phase in phases:
        during = [it for it in wakes if phase.started_s <= it.at_s < phase.ended_s]
        for name, seconds, budget in (
            ("event loop woke late", [it.late_s for it in during], ""),
            ("event loop blocked", [it.blocked_s for it in during], BUDGET),
            ("waits of the loop for a processor", [it.waited_s for it in during], ""),
            ("waits for a lock without work", [it.lock_s for it in during], ""),
            ("stops by the host", [it.stopped_s for it in during], ""),
            ("work of the loop between two wakes", [it.worked_s for it in during], ""),
        ):
            result.add(
                f"{phase.name}: {name}",
                "ms",
                [round(1000 * it, 3) for it in seconds],
                budget,
            )
        others = [round(100 * phase.others, 1)]
        result.add(f"{phase.name}: busy with other processes", "%", others)
    return result


async def _load(
    args: argparse.Namespace, gateway: Gateway, console: Console
) -> list[Phase]:
    """Run the phases one after the other while sessions speak."""
    phases = []
    async with asyncio.TaskGroup() as group:
        speakers = []
        for _ in range(args.sessions):
            is_open = asyncio.Event()
            speakers.append(group.create_task(_speak(args, gateway, is_open)))
            await is_open.wait()
        await asyncio.sleep(_SETTLE_S)
        for name, work in (("bursts", None), ("bad input", _abuse), ("starts", _start)):
            console.print(f"loop: {name}, {args.seconds:g} s")
            started_s, machine = time.monotonic(), MachineReading.now()
            extra = work and group.create_task(work(args, gateway))
            await asyncio.sleep(args.seconds)
            others = MachineReading.now().others_since(machine)
            phases.append(Phase(name, started_s, time.monotonic(), others))
            if extra:
                extra.cancel()
                await asyncio.sleep(_SETTLE_S)  # let the gateway read what was sent
        for task in speakers:
            task.cancel()
    return phases


async def _in_session(
    args: argparse.Namespace,
    gateway: Gateway,
    act: Callable[[AvatarSession], Awaitable[None]],
) -> None:
    """Open a session, drop its events, and let ``act`` use it."""
    video = {"quality": args.quality}
    async with (
        open_session(
            gateway.url, gateway.key, avatar=args.avatar, video_settings=video
        ) as avatar,
        asyncio.TaskGroup() as group,
    ):
        reader = group.create_task(_drop_events(avatar))
        await act(avatar)
        reader.cancel()


async def _drop_events(avatar: AvatarSession) -> None:
    async for _ in avatar.events():
        pass


async def _speak(
    args: argparse.Namespace, gateway: Gateway, is_open: asyncio.Event
) -> None:
    """Send a long turn in one message, and interrupt it, again and again."""
    pcm, rng = speech(_BURST_S), random.Random(1)

    async def act(avatar: AvatarSession) -> None:
        is_open.set()
        while True:
            await avatar.append(pcm)
            await avatar.speak_end()
            await asyncio.sleep(rng.uniform(0.3, 0.8))
            await avatar.interrupt()

    await _in_session(args, gateway, act)


async def _abuse(args: argparse.Namespace, gateway: Gateway) -> None:
    """Send every bad message in turn, as fast as the server reads."""
    messages = bad_messages()

    async def act(avatar: AvatarSession) -> None:
        while True:
            for message in messages:
                await avatar.send_raw(message)

    await _in_session(args, gateway, act)


async def _start(args: argparse.Namespace, gateway: Gateway) -> None:
    """Start and stop sessions, one after the other."""

    async def act(_: AvatarSession) -> None:
        await asyncio.sleep(0.2)

    while True:
        await _in_session(args, gateway, act)


def bad_messages() -> list[str | bytes]:
    """Return messages that are refused or do nothing, of every kind in PROTOCOL.md."""

    def speak(audio: object) -> str:
        return orjson.dumps({"type": "agent.speak", "audio": audio}).decode()

    odd = base64.b64encode(bytes(961)).decode()
    too_much = base64.b64encode(bytes(MAX_PCM_BYTES + 2)).decode()
    oversized = "A" * _OVERSIZED_BYTES
    return [
        "this is not JSON",
        b"\xff\xfe binary",
        "[]",
        "{}",
        '{"type": 7}',
        '{"type": "agent.unknown"}',
        '{"type": "agent.speak"}',
        speak(None),
        speak("not base64 !"),
        speak(odd),
        speak(too_much),
        speak(oversized),
        '{"type": "agent.speak_end"}',
        '{"type": "agent.interrupt"}',
        "[" * 20_000,
        '{"type": "agent.speak", "audio": ' + "[" * 20_000,
        orjson.dumps(list(range(200_000))).decode(),
    ]
