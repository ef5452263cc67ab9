"""
``bench interrupt``: L5, from the command to silence and a resting mouth.

At the client: sent until ``agent.speak_interrupted`` is read.  At a subscriber in
another process: until the last loud sample and the last frame with the turn's number
were decoded.  Half of the interrupts find a second turn buffered behind the first.
"""

import argparse
import asyncio
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.figures import Report
from bench.listening import Heard, attended
from bench.stack import Stack
from lite_gateway.cli.speak import send
from lite_gateway.client import AvatarSession

_SETTLE_S = 2.0
_AFTER_S = 0.7
_LOUD = 800  # of 16 bit; the tone is ten times that


@dataclass(frozen=True, slots=True)
class Cut:
    at_s: float
    told_s: float
    played_ms: float
    due_ms: float  # by the client's clock, since speak_started


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--quality", default="512x512")


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"interrupt: {given.cuts} cuts, {given.quality}")
    before = stack.gateway.metrics()
    heard, cuts = asyncio.run(_talk(given, stack))
    after = stack.gateway.metrics()
    report = Report("interrupt", {"quality": given.quality})
    report.add(
        "sent → speak_interrupted read by the client",
        "ms",
        [1000 * (cut.told_s - cut.at_s) for cut in cuts],
        "L5 p95 ≤ 40",
    )
    report.add(
        "sent → last loud sample decoded",
        "ms",
        [1000 * (last_loud(heard, cut.at_s) - cut.at_s) for cut in cuts],
    )
    report.add(
        "sent → last speaking frame decoded",
        "ms",
        [1000 * (last_speaking(heard, cut.at_s) - cut.at_s) for cut in cuts],
        "L5 3 frames",
    )
    off = [cut.played_ms - cut.due_ms for cut in cuts]
    report.add("played_ms against the client's clock", "ms", off)
    total = "lite_interrupt_seconds_sum", "lite_interrupt_seconds_count"
    spent, count = (after[name] - before.get(name, 0.0) for name in total)
    report.add("the gateway's own mean", "ms", [1000 * spent / max(1.0, count)])
    return [report]


async def _talk(given: argparse.Namespace, stack: Stack) -> tuple[Heard, list[Cut]]:
    chance = random.Random(2)
    with tempfile.TemporaryDirectory() as folder:
        async with attended(
            stack.gateway,
            "fiducial",
            Path(folder),
            video_settings={"quality": given.quality},
        ) as (avatar, listener):
            await asyncio.sleep(_SETTLE_S)
            cuts = []
            for count in range(given.cuts):
                cuts.append(await _cut(avatar, chance, two=bool(count % 2)))
                await asyncio.sleep(_AFTER_S)
            return listener.leave(), cuts


async def _cut(avatar: AvatarSession, chance: random.Random, *, two: bool) -> Cut:
    for _ in range(1 + two):
        await send(avatar, steady(4.0), "burst")
    await avatar.event("agent.speak_started")
    started_s = time.monotonic()
    await asyncio.sleep(chance.uniform(0.2, 0.9))
    at_s = time.monotonic()
    await avatar.interrupt()
    told = await avatar.event("agent.speak_interrupted")
    due_ms = 1000 * (at_s - started_s)
    return Cut(at_s, time.monotonic(), told["played_ms"], due_ms)


def steady(seconds: float) -> bytes:
    """A loud tone without pauses, so that its end is the interrupt's."""
    t = np.arange(round(seconds * 24_000)) / 24_000
    voice = 9000 * (np.sin(2 * np.pi * 300 * t) + 0.3 * np.sin(2 * np.pi * 950 * t))
    return bytes(voice.astype("<i2").tobytes())


def last_loud(heard: Heard, at_s: float, within_s: float = _AFTER_S) -> float:
    """When the last loud sample after ``at_s`` was decoded."""
    within = heard.places(at_s, at_s + within_s)
    loud = np.flatnonzero(np.abs(heard.sound[within].astype(int)) > _LOUD)
    return heard.arrived(within.start + int(loud[-1])) if len(loud) else at_s


def last_speaking(heard: Heard, at_s: float) -> float:
    """When the last frame with a turn's number after ``at_s`` was decoded."""
    seen = heard.frames[:, 0]
    after = (seen >= at_s) & (seen < at_s + _AFTER_S) & (heard.frames[:, 2] > 0)
    return float(seen[after][-1]) if after.any() else at_s
