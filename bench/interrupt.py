"""
Scenario ``interrupt``: time from an interrupt to silence and a resting mouth (L5).

Three situations come in random order: one turn plays; one plays and a second one is
buffered; or nothing plays, between two turns. The client measures until it reads the
answer. A subscriber in another process measures until it has decoded the last loud
sample and the last frame of the turn. Between turns the next turn follows at once and
must start as soon as any other.
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

from bench.probe.listening import Recording, speech, with_listener
from bench.probe.stack import Stack
from bench.report.figures import Report
from lite_gateway.client import AvatarSession
from lite_gateway.client.pacing import send

_SETTLE_S = 2.0
_AFTER_S = 0.7  # how long the end of a turn is looked for
_LOUD = 800  # amplitude of 16 bit; the tone's is ten times that
_BEFORE_S, _NEXT_S = 0.4, 1.0  # speech before and after an interrupt between turns

PLAYING, BUFFERED, BETWEEN = "one turn playing", "two turns buffered", "between turns"
SITUATIONS = (PLAYING, BUFFERED, BETWEEN)


@dataclass(frozen=True, slots=True)
class InterruptedTurn:
    """Interrupt of a playing turn; times in s."""

    situation: str
    at_s: float
    answered_s: float  # when speak_interrupted was read
    played_ms: float  # as the gateway reports it
    expected_ms: float  # by the client's clock, since speak_started


@dataclass(frozen=True, slots=True)
class IdleInterrupt:
    """Interrupt while nothing played, and the turn after it; times in s."""

    at_s: float
    answered_s: float  # when audio_buffer_cleared was read
    next_sent_s: float
    next_ended_s: float
    unexpected: int  # interrupted, error and warning events, of which none is due


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cuts",
        type=int,
        default=54,
        help="interrupts, a third in each situation (default: %(default)s)",
    )
    parser.add_argument(
        "--quality", default="512x512", help="WIDTHxHEIGHT (default: %(default)s)"
    )


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"interrupt: {args.cuts} interrupts, {args.quality}")
    before = stack.gateway.metrics()
    heard, turns, idle = asyncio.run(interrupt_all(args, stack))
    after = stack.gateway.metrics()
    report = Report("interrupt", {"quality": args.quality})
    _add_turns(report, heard, turns, "")
    for situation in (PLAYING, BUFFERED):
        some = [turn for turn in turns if turn.situation == situation]
        _add_turns(report, heard, some, situation)
    answers = [1000 * (it.answered_s - it.at_s) for it in idle]
    all_answers = [1000 * (it.answered_s - it.at_s) for it in turns] + answers
    report.add("all situations: sent → answer read", "ms", all_answers, "L5 p95 ≤ 40")
    report.add(f"{BETWEEN}: sent → answer read", "ms", answers, "L5 p95 ≤ 40")
    nexts = [1000 * (_next_heard_s(heard, it) - it.next_sent_s) for it in idle]
    name = f"{BETWEEN}: next turn sent → first sample decoded"
    report.add(name, "ms", nexts, "L3 p50 ≤ 90")
    unexpected = [it.unexpected for it in idle]
    name = f"{BETWEEN}: interrupted events although nothing was playing"
    report.add(name, "", unexpected, "p99 ≤ 0")
    errors = [turn.played_ms - turn.expected_ms for turn in turns]
    report.add("played_ms minus the client's clock", "ms", errors)
    total = "lite_interrupt_seconds_sum", "lite_interrupt_seconds_count"
    spent_s, count = (after[name] - before.get(name, 0.0) for name in total)
    mean_ms = 1000 * spent_s / max(1.0, count)
    report.add("mean of lite_interrupt_seconds", "ms", [mean_ms])
    return [report]


def _add_turns(
    report: Report, heard: Recording, turns: Sequence[InterruptedTurn], situation: str
) -> None:
    """Add the figures of interrupts that had speech to end."""
    for name, ends_s, budget in (
        (
            "sent → speak_interrupted read by the client",
            [turn.answered_s for turn in turns],
            "L5 p95 ≤ 40",
        ),
        (
            "sent → last loud sample decoded",
            [last_loud(heard, turn.at_s) for turn in turns],
            "",
        ),
        (
            "sent → last speaking frame decoded",
            [last_speaking(heard, turn.at_s) for turn in turns],
            "L5 p95 ≤ 120",
        ),
    ):
        pairs = zip(ends_s, turns, strict=True)
        durations = [1000 * (end_s - turn.at_s) for end_s, turn in pairs]
        # The budget is judged once, over both situations together.
        title = f"{situation}: {name}" if situation else name
        report.add(title, "ms", durations, "" if situation else budget)


async def interrupt_all(
    args: argparse.Namespace, stack: Stack
) -> tuple[Recording, list[InterruptedTurn], list[IdleInterrupt]]:
    """Interrupt in all situations, in one session with a subscriber."""
    rng = random.Random(2)
    situations = [SITUATIONS[i % len(SITUATIONS)] for i in range(args.cuts)]
    rng.shuffle(situations)
    turns: list[InterruptedTurn] = []
    idle: list[IdleInterrupt] = []
    with tempfile.TemporaryDirectory() as folder:
        async with with_listener(
            stack.gateway,
            "fiducial",
            Path(folder),
            video_settings={"quality": args.quality},
        ) as (avatar, listener):
            await asyncio.sleep(_SETTLE_S)
            for situation in situations:
                if situation == BETWEEN:
                    idle.append(await _interrupt_idle(avatar, rng))
                else:
                    two = situation == BUFFERED
                    turns.append(await interrupt_turn(avatar, rng, two=two))
                await asyncio.sleep(_AFTER_S)
            return listener.leave(), turns, idle


async def interrupt_turn(
    avatar: AvatarSession, rng: random.Random, *, two: bool
) -> InterruptedTurn:
    """Speak and interrupt a moment later; ``two``: with a second turn buffered."""
    for _ in range(1 + two):
        await send(avatar, steady_tone(4.0), "burst")
    await avatar.event("agent.speak_started")
    started_s = time.monotonic()
    await asyncio.sleep(rng.uniform(0.2, 0.9))
    at_s = time.monotonic()
    await avatar.interrupt()
    event = await avatar.event("agent.speak_interrupted")
    return InterruptedTurn(
        situation=BUFFERED if two else PLAYING,
        at_s=at_s,
        answered_s=time.monotonic(),
        played_ms=event["played_ms"],
        expected_ms=1000 * (at_s - started_s),
    )


async def _interrupt_idle(avatar: AvatarSession, rng: random.Random) -> IdleInterrupt:
    await send(avatar, speech(_BEFORE_S), "burst")
    await avatar.event("agent.speak_ended")
    await asyncio.sleep(rng.uniform(0.0, 0.6))
    at_s = time.monotonic()
    await avatar.interrupt()
    await avatar.event("agent.audio_buffer_cleared")
    answered_s = time.monotonic()
    await send(avatar, speech(_NEXT_S), "burst")
    unexpected = 0
    async for event in avatar.events():
        if event["type"] == "agent.speak_ended":
            break
        unexpected += event["type"] in ("agent.speak_interrupted", "error", "warning")
    return IdleInterrupt(at_s, answered_s, answered_s, time.monotonic(), unexpected)


def _next_heard_s(heard: Recording, idle: IdleInterrupt) -> float:
    """Return when the turn after an idle interrupt was decoded first."""
    until_s = idle.next_ended_s + _AFTER_S / 2
    return heard.arrival_s(heard.find(speech(_NEXT_S), idle.next_sent_s, until_s))


def steady_tone(seconds: float) -> bytes:
    """Return a loud tone without pauses: where it ends, the interrupt ended it."""
    t = np.arange(round(seconds * 24_000)) / 24_000
    voice = 9000 * (np.sin(2 * np.pi * 300 * t) + 0.3 * np.sin(2 * np.pi * 950 * t))
    return bytes(voice.astype("<i2").tobytes())


def last_loud(heard: Recording, at_s: float, within_s: float = _AFTER_S) -> float:
    """Return when the last loud sample after ``at_s`` was decoded, or ``at_s``."""
    within = heard.sample_range(at_s, at_s + within_s)
    loud = np.flatnonzero(np.abs(heard.audio[within].astype(int)) > _LOUD)
    return heard.arrival_s(within.start + int(loud[-1])) if len(loud) else at_s


def last_speaking(heard: Recording, at_s: float) -> float:
    """Return when the last speaking frame after ``at_s`` was decoded, or ``at_s``."""
    arrivals = heard.frames[:, 0]
    after = (arrivals >= at_s) & (arrivals < at_s + _AFTER_S)
    speaking = after & (heard.frames[:, 2] > 0)
    return float(arrivals[speaking][-1]) if speaking.any() else at_s
