"""
``bench capacity``: sessions are added until frames come late.

A frame is late when it is handed to the room more than a frame after it was due, or
skipped.  The ramp ends at the first step at which that is so for 1 % of them.
"""

import argparse
import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.figures import Report
from bench.listening import speech
from bench.stack import Gateway, Stack
from lite_gateway.cli.speak import send
from lite_gateway.client import open_session

LATE = 0.01
_SETTLE_S = 1.5
_TURN_S = 4.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Step:
    """One load, measured for a while."""

    sessions: int
    frames: float
    late: float  # share
    cores: float
    render: float  # share of one thread
    capture: float  # share of one thread
    memory_mb: float


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--avatar", default="ada")
    parser.add_argument("--quality", default="512x512")
    parser.add_argument("--most", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0, help="at each step")


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    steps: list[Step] = []
    asyncio.run(_ramp(given, stack, steps, console))
    report = Report("capacity", {"avatar": given.avatar, "quality": given.quality})
    good = [step.sessions for step in steps if step.late < LATE]
    report.add("sessions without late frames", "", [max(good, default=0)], "L7 ≥ 3")
    for step in steps:
        many = f"{step.sessions} sessions"
        report.add(f"{many}: frames late or skipped", "%", [100 * step.late])
        report.add(f"{many}: processor", "cores", [step.cores])
        report.add(f"{many}: render thread busy", "%", [100 * step.render])
        report.add(f"{many}: capture busy", "%", [100 * step.capture])
        report.add(f"{many}: memory", "MB", [step.memory_mb])
    if steps:
        report.conditions["ran out"] = _ran_out(steps[-1])
        console.print(f"capacity: what ran out: {report.conditions['ran out']}")
    return [report]


def _ran_out(last: Step) -> str:
    """The resource nearest to its end at the last step."""
    cores = len(os.sched_getaffinity(0))
    used = {
        "nothing: the ramp ended first": 0.0 if last.late >= LATE else 9.0,
        "the render thread": last.render,
        "the capture threads": last.capture / 2,
        "processor time, most of it encoding": last.cores / cores,
    }
    return max(used, key=lambda name: used[name])


async def _ramp(
    given: argparse.Namespace, stack: Stack, steps: list[Step], console: Console
) -> None:
    async with asyncio.TaskGroup() as group:
        talking = []
        for count in range(1, given.most + 1):
            up = asyncio.Event()
            talking.append(group.create_task(_talk(given, stack, up)))
            await up.wait()
            await asyncio.sleep(_SETTLE_S)
            step = await _measure(stack.gateway, count, given.seconds)
            console.print(f"capacity: {count} sessions, {100 * step.late:.1f} % late")
            steps.append(step)
            if step.late >= LATE:
                break
        for task in talking:
            task.cancel()


async def _talk(given: argparse.Namespace, stack: Stack, up: asyncio.Event) -> None:
    """One session that never stops talking."""
    async with open_session(
        stack.gateway.url,
        stack.gateway.key,
        avatar=given.avatar,
        video_settings={"quality": given.quality},
    ) as avatar:
        up.set()
        while True:
            await send(avatar, speech(_TURN_S), "burst")
            await avatar.event("agent.speak_ended")


async def _measure(gateway: Gateway, sessions: int, seconds: float) -> Step:
    before, cpu_s, began_s = (
        gateway.metrics(),
        cpu_seconds(gateway.pid),
        time.monotonic(),
    )
    await asyncio.sleep(seconds)
    after = gateway.metrics()
    lasted_s = time.monotonic() - began_s

    def grown(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    skipped = grown("lite_frames_skipped_total")
    shown = grown("lite_frame_late_seconds_count")
    in_time = grown('lite_frame_late_seconds_bucket{le="0.04"}')
    return Step(
        sessions=sessions,
        frames=shown,
        late=(shown - in_time + skipped) / max(1.0, shown + skipped),
        cores=(cpu_seconds(gateway.pid) - cpu_s) / lasted_s,
        render=grown("lite_render_seconds_sum") / lasted_s,
        capture=grown("lite_publish_seconds_sum") / lasted_s,
        memory_mb=memory_mb(gateway.pid),
    )


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
