"""Long run of the scenario ``conversation``: conversations beside a LITE session."""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.probe.gateway_trace import TurnTrace, by_turn, milliseconds
from bench.probe.listening import speech
from bench.probe.loop_monitor import WRITE_PERIOD_S, Wake, read
from bench.report.figures import Report
from bench.talks.moments import answers
from bench.talks.person import NotHappened, Person, sample
from bench.talks.site import ConversationSite
from lite_gateway.client import AvatarSession, open_session
from lite_gateway.client.pacing import send
from lite_gateway.playout import trace

READING_S = 5.0  # between two readings of the memory
MAX_GROWTH = "p100 ≤ 5"  # %, of the memory after a third of the run
_REST_S = (0.3, 1.5)  # between two turns
_SPEECH_S = 1.1  # of a turn of the LITE session
_LAG = 'lite_loop_lag_seconds_bucket{le="%s"}'


@dataclass(slots=True)
class _Run:
    lite_id: str = ""
    conversation_ids: list[str] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # MB, of the agent process
    processor_s: float = 0.0
    started_s: float = 0.0
    ended_s: float = 0.0
    missed: int = 0


def measure(
    args: argparse.Namespace, site: ConversationSite, console: Console
) -> Report:
    """Run conversations for minutes; judge event loop, L1 and memory."""
    count = args.conversations
    console.print(f"conversation: {count} beside a LITE session, {args.minutes:g} min")
    before = site.gateway.metrics()
    run = asyncio.run(_hold(args, site, console))
    after = site.gateway.metrics()
    conditions = {
        name: getattr(args, name)
        for name in ("minutes", "conversations", "avatar", "quality")
    }
    report = Report("conversation, long", conditions)
    time.sleep(2 * WRITE_PERIOD_S)
    add_wakes(report, read(site.wakes), run.started_s, run.ended_s)
    late = [_late(metrics) for metrics in (before, after)]
    wakes, over = (int(now - then) for then, now in zip(*late, strict=True))
    name = f"lite_loop_lag_seconds over 5 ms, of {wakes} wakes"
    report.add(name, "%", [100 * over / max(1, wakes)])
    _add_turns(report, run, site.trace)
    lasted_s = run.ended_s - run.started_s
    share = 100 * run.processor_s / lasted_s / count
    report.add("each conversation", "% of a core", [share], "T7 ≤ 12")
    report.add("agent process", "MB", run.memory, "T7 ≤ 250")
    add_growth(report, run.memory)
    report.add("answers that did not come within 30 s", "", [run.missed], "p100 ≤ 0")
    return report


def add_wakes(
    report: Report, wakes: Sequence[Wake], since_s: float, until_s: float
) -> None:
    """Add the longest block of each second, and what the loop worked meanwhile."""
    longest: dict[int, Wake] = {}
    for wake in wakes:
        if since_s <= wake.at_s < until_s:
            second = int(wake.at_s - since_s)
            former = longest.get(second, wake)
            longest[second] = max(former, wake, key=lambda it: it.blocked_s)
    for name, seconds, budget in (
        ("blocked, at most in each second", "blocked_s", "p100 ≤ 5"),
        ("woke late then", "late_s", ""),
        ("worked before", "worked_s", ""),
    ):
        found = [round(1000 * getattr(it, seconds), 3) for it in longest.values()]
        report.add(f"event loop {name}", "ms", found, budget)


def add_growth(report: Report, memory: Sequence[float]) -> None:
    """Add how much the memory has grown in the last two thirds of the run."""
    third = len(memory) // 3
    if third < 2:
        return
    earlier, later = np.median(memory[third : 2 * third]), np.median(memory[-third:])
    growth = 100 * (float(later) / float(earlier) - 1)
    report.add("growth of the agent process, last third", "%", [growth], MAX_GROWTH)


def _late(metrics: dict[str, float]) -> tuple[float, float]:
    """Return the wakes of the gateway's own timer, and those over 5 ms late."""
    wakes = metrics[_LAG % "+Inf"]
    return wakes, wakes - metrics[_LAG % "0.005"]


def _add_turns(report: Report, run: _Run, path: Path) -> None:
    owned: dict[str, list[trace.Event]] = {}
    for owner, event in trace.read(path):
        owned.setdefault(owner, []).append(event)
    added = _added_ms(by_turn(owned.get(run.lite_id, [])))
    name = "LITE: speech received → first sample and frame submitted"
    report.add(name, "ms", added, "L1 p50 ≤ 15, p99 ≤ 40")
    totals, added = [], []
    for session_id, person in zip(run.conversation_ids, run.people, strict=True):
        events = owned.get(session_id, [])
        added += _added_ms(by_turn(events))
        found = answers(events, person.events)
        totals += [it.stages["total"] for it in found if it.stages]
    name = "FULL: speech received → first sample and frame submitted"
    report.add(name, "ms", added, "L1 p50 ≤ 15, p99 ≤ 40")
    report.add("FULL: last loud sample heard → first sample and frame", "ms", totals)


def _added_ms(turns: dict[int, TurnTrace]) -> list[float]:
    heard = [turn for turn in turns.values() if turn.messages]
    return [ms for turn in heard for ms in milliseconds(turn.added_latency_s, [0])]


async def _hold(
    args: argparse.Namespace, site: ConversationSite, console: Console
) -> _Run:
    """Hold all sessions for the minutes."""
    run, agent = _Run(), site.agent()
    video = {"quality": args.quality}
    async with AsyncExitStack() as sessions, asyncio.TaskGroup() as group:
        lite = await sessions.enter_async_context(
            open_session(
                *(site.gateway.url, site.gateway.key),
                avatar=args.avatar,
                video_settings=video,
            )
        )
        run.lite_id = lite.session_id
        for _ in range(args.conversations):
            session = await asyncio.to_thread(
                site.start_full, args.avatar, args.quality
            )
            person = await sessions.enter_async_context(Person().visiting(session))
            await person.hears()
            run.people.append(person)
            run.conversation_ids.append(session["session_id"])
        tasks = [group.create_task(_converse(it, run)) for it in run.people]
        tasks.append(group.create_task(_speak(lite)))
        run.started_s, used_s = time.monotonic(), agent.processor_s
        ends_s = run.started_s + 60 * args.minutes
        while (left_s := ends_s - time.monotonic()) > 0:
            await asyncio.sleep(min(READING_S, left_s))
            run.memory.append(agent.memory_mb)
            if len(run.memory) % round(60 / READING_S) == 0:
                minutes = (time.monotonic() - run.started_s) / 60
                console.print(
                    f"conversation: {minutes:.0f} min, {run.memory[-1]:.0f} MB"
                )
        run.ended_s = time.monotonic()
        run.processor_s = agent.processor_s - used_s
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.sleep(2 * trace.PERIOD_S)
    return run


async def _converse(person: Person, run: _Run) -> None:
    """Say something and hear the answer, until cancelled."""
    chance, brief = random.Random(5), sample("hello", 1.36)
    while True:
        since = len(person.events)
        await person.say(brief)
        try:
            await person.event("avatar.speak_ended", since)
        except NotHappened:
            run.missed += 1
        await asyncio.sleep(chance.uniform(*_REST_S))


async def _speak(lite: AvatarSession) -> None:
    """Send a burst, and wait for the end of the turn, until cancelled."""
    chance, pcm = random.Random(6), speech(_SPEECH_S)
    while True:
        await send(lite, pcm, "burst")
        await lite.event("agent.speak_ended")
        await asyncio.sleep(chance.uniform(*_REST_S))
