"""
``bench latency``: from speech sent to seen and heard, at every boundary.

Times are of one host clock.  "started" is the client's own view of L1: sent until it
reads ``agent.speak_started``, the socket both ways included.  "seen" and "heard" are
decoded at a subscriber in another process: the first frame that carries the turn's
number, and the turn's first sample by cross-correlation.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.figures import Report
from bench.listening import HEARD_RATE, Heard, attended, listening, speech
from bench.stack import Stack
from lite_gateway.cli.speak import send
from lite_gateway.client import AvatarSession, open_session

FRAME_S = 0.040
PACES = ("burst", "plugin", "1x")
MARKED = "fiducial"  # the avatar whose frames name themselves
_SETTLE_S = 2.0
_SPEECH_S = 1.6


@dataclass(frozen=True, slots=True)
class Turn:
    number: int
    sent_s: float
    started_s: float
    over_s: float


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turns", type=int, default=16, help="per pace")
    parser.add_argument("--avatar", default=MARKED, help=f"{MARKED}: frames too")
    parser.add_argument("--quality", default="512x512")
    parser.add_argument("--codec", choices=("H264", "VP8"), default="H264")


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    reports = []
    for pace in PACES:
        console.print(f"latency: {given.turns} turns, {pace}, {given.quality}")
        heard, turns = asyncio.run(_talk(given, stack, pace))
        reports.append(_report(given, pace, heard, turns))
    reports.append(asyncio.run(_starts(given, stack)))
    return reports


async def _talk(
    given: argparse.Namespace, stack: Stack, pace: str
) -> tuple[Heard, list[Turn]]:
    """One session, many turns at random phases of the frame clock."""
    video = {"quality": given.quality, "encoding": given.codec}
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        async with attended(
            stack.gateway, given.avatar, Path(folder), video_settings=video
        ) as (avatar, listener):
            await asyncio.sleep(_SETTLE_S)
            turns = []
            for number in range(1, given.turns + 1):
                turns.append(await _turn(avatar, number, pace))
                await asyncio.sleep(chance.uniform(0.5, 0.8))
            return listener.leave(), turns


async def _turn(avatar: AvatarSession, number: int, pace: str) -> Turn:
    pcm = speech(_SPEECH_S)
    sent_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(send(avatar, pcm, pace), name="send")
        await avatar.event("agent.speak_started")
        started_s = time.monotonic()
        await avatar.event("agent.speak_ended")
    return Turn(number, sent_s, started_s, time.monotonic())


def _report(
    given: argparse.Namespace, pace: str, heard: Heard, turns: list[Turn]
) -> Report:
    report = Report(
        f"latency, {pace}",
        {
            "pace": pace,
            "avatar": given.avatar,
            "quality": given.quality,
            "codec": given.codec,
        },
    )
    pcm = speech(_SPEECH_S)
    starts = {t.number: heard.find(pcm, t.sent_s, t.over_s + 0.5) for t in turns}
    # 1x holds back up to 40 ms so as not to run dry, and is judged by L2.
    l1 = "L1 p50 ≤ 15, p99 ≤ 40" if pace != "1x" else "L2 p50 ≤ 60, p99 ≤ 80"

    def add(name: str, of: Callable[[Turn], float], budget: str = "") -> None:
        report.add(name, "ms", [1000 * of(turn) for turn in turns], budget)

    add("sent → speak_started read by the client", lambda t: t.started_s - t.sent_s, l1)
    add(
        "sent → first sample decoded",
        lambda t: heard.arrived(starts[t.number]) - t.sent_s,
        "L3 p50 ≤ 90",
    )
    if given.avatar != MARKED:
        return report
    add(
        "sent → first frame decoded",
        lambda t: first_seen(heard, t.number) - t.sent_s,
        "L3 p50 ≤ 90",
    )
    leads = [
        lead for t in turns for lead in sound_leads(heard, t.number, starts[t.number])
    ]
    report.add("sound before picture", "ms", leads, "L4 -40 .. +15")
    return report


def first_seen(heard: Heard, turn: int) -> float:
    """When the first frame of a turn was decoded."""
    seen = heard.frames[heard.frames[:, 2] == turn]
    return float(seen[0, 0]) if len(seen) else np.nan


def sound_leads(heard: Heard, turn: int, start: int) -> list[float]:
    """For each frame of a turn: ms by which its sound was decoded before it."""
    seen = heard.frames[heard.frames[:, 2] == turn]
    if not len(seen):
        return []
    first = seen[0, 1]
    leads = []
    for at, index, *_ in seen:
        sample = start + round((index - first) * FRAME_S * HEARD_RATE)
        if sample < len(heard.sound):
            leads.append(1000 * (at - heard.arrived(sample)))
    return leads


async def _starts(given: argparse.Namespace, stack: Stack) -> Report:
    """L6: start answered until a subscriber, who waits in the room, has a frame."""
    report = Report("latency, start", {"quality": given.quality})
    waits, answers = [], []
    video = {"quality": given.quality, "encoding": given.codec}
    for count in range(max(3, given.turns // 4)):
        room = f"bench-start-{count}-{time.monotonic_ns()}"
        with (
            tempfile.TemporaryDirectory() as folder,
            listening(
                stack.livekit.url, stack.room_token(room, "listener"), Path(folder)
            ) as listener,
        ):
            own = {"url": stack.livekit.url, "token": stack.room_token(room, "avatar")}
            asked_s = time.monotonic()
            async with open_session(
                stack.gateway.url,
                stack.gateway.key,
                avatar=given.avatar,
                video_settings=video,
                livekit_config=own,
            ):
                answered_s = time.monotonic()
                await asyncio.sleep(1.5)
                heard = listener.leave()
        answers.append(1000 * (answered_s - asked_s))
        seen = heard.frames[:, 0]
        waits.append(1000 * (seen[0] - answered_s) if len(seen) else np.nan)
    report.add("mint and start → answered, socket open", "ms", answers)
    report.add("answered → first frame decoded", "ms", waits, "L6 ≤ 1000")
    return report
