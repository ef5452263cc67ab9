"""
``bench capacity``: sessions are added until frames come late, and what ran out then.

A frame is late when it is handed to the room more than a frame after it was due, or
skipped.  A load is too much when that is so for 1 % of the frames.  There are two
ramps, each with a gateway of its own: one publishes to LiveKit, the other drops what
it renders (``LITE_SINK=null``), so rendering and encoding are told apart.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.probe.listening import speech
from bench.probe.nvidia import Use, watched
from bench.probe.stack import Gateway, Stack, running_gateway
from bench.probe.threads import (
    CAPTURE,
    LOOP,
    RENDER,
    busy_share,
    cpu_by_stage,
    machine,
)
from bench.report.figures import Report
from lite_gateway.client import open_session
from lite_gateway.client.pacing import send
from lite_gateway.config import Config

LATE = 0.01
SINKS = {"livekit": "capacity", "null": "capacity, nothing encoded"}
_CAPTURE_THREADS = 2
_FULL = 0.85  # busy; below it there was time left
_SETTLE_S = 1.0
_TURN_S = 4.0


@dataclass(frozen=True, slots=True)
class Step:
    """One load, measured for a while."""

    sessions: int
    late: float  # share
    stages: dict[str, float]  # cores
    machine: float  # share of all its processors, whoever used them
    render: float  # share of the time in which a pass was under way
    batch: float  # frames in a pass
    memory_mb: float
    gpu: Sequence[Use] = ()

    @property
    def good(self) -> bool:
        return self.late < LATE


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--avatar", default=Config().default_avatar)
    parser.add_argument("--quality", default="512x512")
    parser.add_argument("--sinks", default=",".join(SINKS), help="livekit, null")
    parser.add_argument("--first", type=int, default=2, help="sessions to start with")
    parser.add_argument("--add", type=int, default=1, help="sessions at each step")
    parser.add_argument("--most", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0, help="at each step")


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    reports, first = [], given.first
    for sink in given.sinks.split(","):
        console.print(f"capacity: sink {sink}")
        steps = _ramp_of(sink, first, given, stack, console)
        report = _report(SINKS[sink], sink, steps, given)
        console.print(f"capacity: what ran out: {report.conditions['ran out']}")
        reports.append(report)
        # Without an encoder there is room for as many at least.
        first = max((step.sessions for step in steps if step.good), default=first)
    return reports


def _ramp_of(
    sink: str, first: int, given: argparse.Namespace, stack: Stack, console: Console
) -> list[Step]:
    livekit, steps = stack.livekit, list[Step]()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_gateway(
            livekit.url,
            livekit.key,
            livekit.secret,
            Path(folder) / "gateway.log",
            LITE_SINK=sink,
            LITE_MAX_SESSIONS=str(given.most),
        ) as gateway,
    ):
        asyncio.run(_ramp(gateway, first, given, steps, console))
    return steps


def next_load(steps: Sequence[Step], add: int, most: int) -> int | None:
    """
    How many sessions to try next; None when the limit is found.

    Up while frames are in time; down to the first that are, if the start was too much.
    """
    last = steps[-1].sessions
    tried = {step.sessions for step in steps}
    load = last + add if steps[-1].good else last - add
    if load in tried or not 1 <= load <= most:
        return None
    return load


async def _ramp(
    gateway: Gateway,
    first: int,
    given: argparse.Namespace,
    steps: list[Step],
    console: Console,
) -> None:
    load: int | None = min(first, given.most)
    async with asyncio.TaskGroup() as group:
        talking: list[asyncio.Task[None]] = []
        while load is not None:
            while len(talking) > load:
                talking.pop().cancel()
            while len(talking) < load:
                up = asyncio.Event()
                talking.append(group.create_task(_talk(given, gateway, up)))
                await up.wait()
            await asyncio.sleep(_SETTLE_S)
            step = await _measure(gateway, load, given.seconds)
            console.print(f"capacity: {load} sessions, {100 * step.late:.1f} % late")
            steps.append(step)
            load = next_load(steps, given.add, given.most)
        for task in talking:
            task.cancel()


async def _talk(given: argparse.Namespace, gateway: Gateway, up: asyncio.Event) -> None:
    """One session that never stops talking."""
    async with open_session(
        gateway.url,
        gateway.key,
        avatar=given.avatar,
        video_settings={"quality": given.quality},
    ) as avatar:
        up.set()
        while True:
            await send(avatar, speech(_TURN_S), "burst")
            await avatar.event("agent.speak_ended")


async def _measure(gateway: Gateway, sessions: int, seconds: float) -> Step:
    before, spent, ticks = gateway.metrics(), cpu_by_stage(gateway.pid), machine()
    began_s = time.monotonic()
    with watched() as gpu:
        await asyncio.sleep(seconds)
    after, worked, now = gateway.metrics(), cpu_by_stage(gateway.pid), machine()
    lasted_s = time.monotonic() - began_s

    def grown(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    skipped = grown("lite_frames_skipped_total")
    shown = grown("lite_frame_late_seconds_count")
    in_time = grown('lite_frame_late_seconds_bucket{le="0.04"}')
    return Step(
        sessions=sessions,
        late=(shown - in_time + skipped) / max(1.0, shown + skipped),
        stages={
            stage: max(0.0, seconds - spent[stage]) / lasted_s
            for stage, seconds in worked.items()
        },
        machine=busy_share(ticks, now),
        render=grown("lite_render_seconds_sum") / lasted_s,
        batch=grown("lite_batch_size_sum") / max(1.0, grown("lite_batch_size_count")),
        memory_mb=memory_mb(gateway.pid),
        gpu=gpu,
    )


def _report(
    title: str, sink: str, steps: Sequence[Step], given: argparse.Namespace
) -> Report:
    report = Report(
        title, {"avatar": given.avatar, "quality": given.quality, "sink": sink}
    )
    good = [step.sessions for step in steps if step.good]
    on_gpu = any(step.gpu for step in steps)
    budget = "L7 ≥ 3" if sink == "livekit" else "L7 ≥ 80" if on_gpu else ""
    report.add("sessions without late frames", "", [max(good, default=0)], budget)
    if (grows := memory_a_session(steps)) is not None:
        report.add("memory of one more session", "MB", [grows])
    for step in sorted(steps, key=lambda step: step.sessions):
        _add_step(report, step)
    report.conditions["ran out"] = ran_out(steps)
    if not on_gpu:
        report.conditions["gpu"] = "no GPU"
    return report


def _add_step(report: Report, step: Step) -> None:
    many = f"{step.sessions} sessions"
    report.add(f"{many}: frames late or skipped", "%", [100 * step.late])
    for stage, cores in step.stages.items():
        report.add(f"{many}: {stage}, of a core", "%", [100 * cores])
    whole = sum(step.stages.values())
    report.add(f"{many}: whole gateway, of a core", "%", [100 * whole])
    report.add(f"{many}: whole machine busy", "%", [100 * step.machine])
    report.add(f"{many}: render thread busy", "%", [100 * step.render])
    report.add(f"{many}: frames in a pass", "", [step.batch])
    report.add(f"{many}: memory", "MB", [step.memory_mb])
    if step.gpu:
        report.add(f"{many}: GPU busy", "%", [use.busy for use in step.gpu])
        report.add(f"{many}: GPU memory", "MB", [use.memory_mb for use in step.gpu])


def memory_a_session(steps: Sequence[Step]) -> float | None:
    """MB that each session adds, by the line through all steps; None of one step."""
    if len({step.sessions for step in steps}) < 2:
        return None
    slope, _ = np.polyfit(
        [step.sessions for step in steps], [step.memory_mb for step in steps], 1
    )
    return float(slope)


def ran_out(steps: Sequence[Step]) -> str:
    """What was nearest to its end at the least load that was too much."""
    bad = [step for step in steps if not step.good]
    if not bad:
        return "nothing: the ramp ended first"
    step = min(bad, key=lambda step: step.sessions)
    used = {
        "the render thread": step.stages[RENDER],
        "the capture threads": step.stages[CAPTURE] / _CAPTURE_THREADS,
        "the event loop": step.stages[LOOP],
        "the processors": step.machine,
    }
    if step.gpu:
        used["the GPU"] = float(np.median([use.busy for use in step.gpu])) / 100
    name = max(used, key=lambda name: used[name])
    told = f"{name}, {100 * used[name]:.0f} % busy"
    return told if used[name] >= _FULL else f"nothing all the time; most {told}"


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
