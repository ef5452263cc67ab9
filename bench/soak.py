"""
``bench soak``: sessions talk for minutes; whatever grows is a failure.

Memory may wander by a twentieth after the first third; every turn sent must have
started and ended; threads must be as many at the end as at a third.
"""

import argparse
import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench.capacity import memory_mb
from bench.figures import Report
from bench.listening import speech
from bench.stack import Gateway, Stack
from lite_gateway.cli.speak import send
from lite_gateway.client import open_session

GROWTH = 1.05
_PAUSE_S = 0.5
_SPEECH_S = (0.4, 1.1, 2.3)


class Grew(SystemExit):
    """The soak found growth: the command ends with it."""


@dataclass(slots=True)
class Count:
    sent: int = 0
    started: int = 0
    ended: int = 0


@dataclass(slots=True)
class Trace:
    """A reading every few seconds."""

    at_s: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    threads: list[float] = field(default_factory=list)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--sessions", type=int, default=3)
    parser.add_argument("--avatar", default="fiducial")


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"soak: {given.sessions} sessions, {given.minutes:g} minutes")
    before = stack.gateway.metrics()
    trace, counts = Trace(), [Count() for _ in range(given.sessions)]
    asyncio.run(_soak(given, stack, trace, counts))
    after = stack.gateway.metrics()
    report = Report("soak", {"minutes": given.minutes, "sessions": given.sessions})
    report.add("memory", "MB", trace.memory)
    report.add("threads", "", trace.threads)
    for name in ("sent", "started", "ended"):
        total = sum(getattr(count, name) for count in counts)
        report.add(f"turns {name}", "", [total])
    for name in ("lite_frames_total", "lite_frames_skipped_total"):
        report.add(name, "", [after[name] - before.get(name, 0.0)])
    faults = _faults(trace, counts, stack.gateway)
    if faults:
        report.show(console)
        raise Grew("soak: " + "; ".join(faults))
    return [report]


def _faults(trace: Trace, counts: list[Count], gateway: Gateway) -> list[str]:
    third = len(trace.memory) // 3
    settled, last = trace.memory[third], trace.memory[-1]
    faults = []
    if last > GROWTH * settled:
        faults.append(f"memory grew from {settled:.0f} to {last:.0f} MB")
    if trace.threads[-1] > trace.threads[third]:
        faults.append(f"threads grew to {trace.threads[-1]:.0f}")
    for count in counts:
        if not count.sent == count.started == count.ended:
            faults.append(f"turns do not add up: {count}")
    if left := gateway.active():
        faults.append(f"sessions left: {left}")
    return faults


async def _soak(
    given: argparse.Namespace, stack: Stack, trace: Trace, counts: list[Count]
) -> None:
    until_s = time.monotonic() + 60 * given.minutes
    async with asyncio.TaskGroup() as group:
        for count in counts:
            group.create_task(_talk(given, stack, until_s, count))
        while time.monotonic() < until_s:
            _read(stack.gateway, trace)
            await asyncio.sleep(max(0.5, given.minutes))
    # Read once more when nobody talks: what is left then was leaked.
    _read(stack.gateway, trace)


async def _talk(
    given: argparse.Namespace, stack: Stack, until_s: float, count: Count
) -> None:
    video = {"quality": "512x512"}
    async with open_session(
        stack.gateway.url, stack.gateway.key, avatar=given.avatar, video_settings=video
    ) as avatar:
        while time.monotonic() < until_s:
            seconds = _SPEECH_S[count.sent % len(_SPEECH_S)]
            await send(
                avatar, speech(seconds), "1x" if count.sent % 4 == 0 else "burst"
            )
            count.sent += 1
            await avatar.event("agent.speak_started")
            count.started += 1
            await avatar.event("agent.speak_ended")
            count.ended += 1
            await asyncio.sleep(_PAUSE_S)


def _read(gateway: Gateway, trace: Trace) -> None:
    trace.at_s.append(time.monotonic())
    trace.memory.append(memory_mb(gateway.pid))
    trace.threads.append(len(list(Path(f"/proc/{gateway.pid}/task").iterdir())))
