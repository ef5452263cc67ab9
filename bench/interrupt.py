"""
``bench interrupt``: L5, from the command to silence and a resting mouth.

Three situations in random order: one turn playing, a second one buffered behind it, and
between turns, where nothing plays.  At the client: sent until the answer is read.  At a
subscriber in another process: until the last loud sample and the last frame with the
turn's number were decoded.  Between turns a next turn follows at once, and must come as
soon as any other.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.probe.listening import Recording, attended, speech
from bench.probe.stack import Stack
from bench.report.figures import Report
from lite_gateway.client import AvatarSession
from lite_gateway.client.pacing import send

_SETTLE_S = 2.0
_AFTER_S = 0.7
_LOUD = 800  # of 16 bit; the tone is ten times that
_BEFORE_S, _NEXT_S = 0.4, 1.0  # of speech, around an interrupt between turns

PLAYING, BUFFERED, BETWEEN = "one turn playing", "two turns buffered", "between turns"
SITUATIONS = (PLAYING, BUFFERED, BETWEEN)


@dataclass(frozen=True, slots=True)
class Cut:
    """An interrupt, in s; ``told_s`` is when speak_interrupted was read."""

    situation: str
    at_s: float
    told_s: float
    played_ms: float
    due_ms: float  # by the client's clock, since speak_started


@dataclass(frozen=True, slots=True)
class Idle:
    """An interrupt while nothing played, and the turn after it, in s."""

    at_s: float
    told_s: float  # audio_buffer_cleared was read
    said_s: float
    over_s: float
    extra: int  # answers that an idle interrupt has no cause for


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cuts", type=int, default=54)
    parser.add_argument("--quality", default="512x512")


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"interrupt: {given.cuts} cuts, {given.quality}")
    before = stack.gateway.metrics()
    heard, cuts, idle = asyncio.run(_talk(given, stack))
    after = stack.gateway.metrics()
    report = Report("interrupt", {"quality": given.quality})
    _add(report, heard, cuts, "")
    for situation in (PLAYING, BUFFERED):
        _add(
            report,
            heard,
            [cut for cut in cuts if cut.situation == situation],
            situation,
        )
    answers = [1000 * (each.told_s - each.at_s) for each in idle]
    everything = [1000 * (cut.told_s - cut.at_s) for cut in cuts] + answers
    report.add("all situations: sent → answer read", "ms", everything, "L5 p95 ≤ 40")
    report.add(f"{BETWEEN}: sent → answer read", "ms", answers, "L5 p95 ≤ 40")
    nexts = [1000 * (_next_heard(heard, each) - each.said_s) for each in idle]
    report.add(
        f"{BETWEEN}: next turn sent → first sample decoded", "ms", nexts, "L3 p50 ≤ 90"
    )
    strays = [each.extra for each in idle]
    report.add(f"{BETWEEN}: answers without a cause", "", strays, "p99 ≤ 0")
    off = [cut.played_ms - cut.due_ms for cut in cuts]
    report.add("played_ms against the client's clock", "ms", off)
    total = "lite_interrupt_seconds_sum", "lite_interrupt_seconds_count"
    spent, count = (after[name] - before.get(name, 0.0) for name in total)
    report.add("the gateway's own mean", "ms", [1000 * spent / max(1.0, count)])
    return [report]


def _add(report: Report, heard: Recording, cuts: Sequence[Cut], situation: str) -> None:
    """Of cuts that had speech to end."""
    for name, ended, budget in (
        (
            "sent → speak_interrupted read by the client",
            [cut.told_s for cut in cuts],
            "L5 p95 ≤ 40",
        ),
        (
            "sent → last loud sample decoded",
            [last_loud(heard, cut.at_s) for cut in cuts],
            "",
        ),
        (
            "sent → last speaking frame decoded",
            [last_speaking(heard, cut.at_s) for cut in cuts],
            "L5 p95 ≤ 120",
        ),
    ):
        spent = [1000 * (at - cut.at_s) for at, cut in zip(ended, cuts, strict=True)]
        # The budget is that of all of them together, and printed once.
        told = f"{situation}: {name}" if situation else name
        report.add(told, "ms", spent, "" if situation else budget)


async def _talk(
    given: argparse.Namespace, stack: Stack
) -> tuple[Recording, list[Cut], list[Idle]]:
    chance = random.Random(2)
    drawn = [SITUATIONS[i % len(SITUATIONS)] for i in range(given.cuts)]
    chance.shuffle(drawn)
    cuts: list[Cut] = []
    idle: list[Idle] = []
    with tempfile.TemporaryDirectory() as folder:
        async with attended(
            stack.gateway,
            "fiducial",
            Path(folder),
            video_settings={"quality": given.quality},
        ) as (avatar, listener):
            await asyncio.sleep(_SETTLE_S)
            for situation in drawn:
                if situation == BETWEEN:
                    idle.append(await _between(avatar, chance))
                else:
                    cuts.append(
                        await one_cut(avatar, chance, two=situation == BUFFERED)
                    )
                await asyncio.sleep(_AFTER_S)
            return listener.leave(), cuts, idle


async def one_cut(avatar: AvatarSession, chance: random.Random, *, two: bool) -> Cut:
    """Speak, and interrupt a moment later; with a second turn behind it, or not."""
    for _ in range(1 + two):
        await send(avatar, steady(4.0), "burst")
    await avatar.event("agent.speak_started")
    started_s = time.monotonic()
    await asyncio.sleep(chance.uniform(0.2, 0.9))
    at_s = time.monotonic()
    await avatar.interrupt()
    told = await avatar.event("agent.speak_interrupted")
    due_ms = 1000 * (at_s - started_s)
    return Cut(
        BUFFERED if two else PLAYING, at_s, time.monotonic(), told["played_ms"], due_ms
    )


async def _between(avatar: AvatarSession, chance: random.Random) -> Idle:
    await send(avatar, speech(_BEFORE_S), "burst")
    await avatar.event("agent.speak_ended")
    await asyncio.sleep(chance.uniform(0.0, 0.6))
    at_s = time.monotonic()
    await avatar.interrupt()
    await avatar.event("agent.audio_buffer_cleared")
    told_s = said_s = time.monotonic()
    await send(avatar, speech(_NEXT_S), "burst")
    extra = 0
    async for event in avatar.events():
        if event["type"] == "agent.speak_ended":
            break
        extra += event["type"] in ("agent.speak_interrupted", "error", "warning")
    return Idle(at_s, told_s, said_s, time.monotonic(), extra)


def _next_heard(heard: Recording, each: Idle) -> float:
    pcm = speech(_NEXT_S)
    return heard.arrived(heard.find(pcm, each.said_s, each.over_s + _AFTER_S / 2))


def steady(seconds: float) -> bytes:
    """A loud tone without pauses, so that its end is the interrupt's."""
    t = np.arange(round(seconds * 24_000)) / 24_000
    voice = 9000 * (np.sin(2 * np.pi * 300 * t) + 0.3 * np.sin(2 * np.pi * 950 * t))
    return bytes(voice.astype("<i2").tobytes())


def last_loud(heard: Recording, at_s: float, within_s: float = _AFTER_S) -> float:
    """When the last loud sample after ``at_s`` was decoded."""
    within = heard.places(at_s, at_s + within_s)
    loud = np.flatnonzero(np.abs(heard.sound[within].astype(int)) > _LOUD)
    return heard.arrived(within.start + int(loud[-1])) if len(loud) else at_s


def last_speaking(heard: Recording, at_s: float) -> float:
    """When the last frame with a turn's number after ``at_s`` was decoded."""
    seen = heard.frames[:, 0]
    after = (seen >= at_s) & (seen < at_s + _AFTER_S) & (heard.frames[:, 2] > 0)
    return float(seen[after][-1]) if after.any() else at_s
