"""
Scenario ``capacity``: sessions that run without late frames, and the bottleneck (L7).

It adds sessions until frames come late. A frame is late when it is submitted more than
one frame period after it was due, or skipped; a load is too high when that happens to
1 % of the frames. A load that is too high is measured again, because other processes
may have been busy for a moment; the best try counts. There are two ramps, each with a
gateway of its own: one publishes to LiveKit, the other drops the rendered frames
(``LITE_SINK=null``). Their difference is the cost of encoding and sending.

At each load it reports how many milliseconds of a core one shown frame takes, by the
stage that the thread works for, and how often threads are woken for it.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.probe.listening import speech
from bench.probe.nvidia import GpuSample, watched
from bench.probe.process import (
    MachineReading,
    ThreadReading,
    ThreadUse,
    by_name,
    core_ms,
    memory_mb,
)
from bench.probe.stack import Gateway, Stack, running_gateway
from bench.report.figures import Report
from lite_gateway.client import open_session
from lite_gateway.client.pacing import send
from lite_gateway.config import Config
from lite_gateway.playout.degradation import GROUPS

MAX_LATE_SHARE = 0.01
TITLES = {"livekit": "capacity", "null": "capacity, nothing encoded"}
_BUSY_SHARE = 0.85  # from here on a resource counts as exhausted
_OTHERS_SHARE = 0.1  # of the machine; from here on the result says more about others
_SETTLE_S = 1.0
_TURN_S = 4.0


@dataclass(frozen=True, slots=True)
class LoadStep:
    """Measurements at one number of sessions."""

    sessions: int
    late_share: float  # of the frames
    frames: float  # that were shown
    lasted_s: float
    stages: Mapping[str, ThreadUse]
    threads: Sequence[ThreadUse]
    machine: float  # share of the processors in use, by all processes
    others: float  # by processes that are no part of the benchmark
    render: float  # share of the time in which a render pass was under way
    batch: float  # frames in a pass
    memory_mb: float
    gpu: Sequence[GpuSample] = ()
    gpu_unread: str = ""  # why ``gpu`` is empty

    @property
    def good(self) -> bool:
        """True if hardly any frame was late."""
        return self.late_share < MAX_LATE_SHARE

    @property
    def fullest(self) -> tuple[str, float]:
        """Name of the busiest thread, and the share of a core that it used."""
        thread = max(self.threads, key=lambda it: it.cpu_s)
        return thread.name, thread.cpu_s / self.lasted_s


# Measures a gateway at a number of sessions, for so many seconds.
Measure = Callable[[Gateway, int, float], Awaitable[LoadStep]]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--avatar", default=Config().default_avatar, help="default: %(default)s"
    )
    parser.add_argument(
        "--quality", default="512x512", help="WIDTHxHEIGHT (default: %(default)s)"
    )
    parser.add_argument(
        "--sinks",
        default=",".join(TITLES),
        help="outputs to measure, comma-separated (default: %(default)s)",
    )
    parser.add_argument(
        "--first", type=int, default=2, help="sessions at first (default: %(default)s)"
    )
    parser.add_argument(
        "--add",
        type=int,
        default=1,
        help="sessions to add at each step (default: %(default)s)",
    )
    parser.add_argument(
        "--most", type=int, default=8, help="sessions at most (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=5.0,
        help="duration of each step (default: %(default)s)",
    )
    parser.add_argument(
        "--idle", action="store_true", help="let the sessions listen, not speak"
    )
    parser.add_argument(
        "--tries",
        type=int,
        default=3,
        help="measurements of a load with late frames (default: %(default)s)",
    )


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    reports, first = [], args.first
    for sink in args.sinks.split(","):
        console.print(f"capacity: sink {sink}")
        steps = _ramp_of(sink, first, args, stack, console)
        report = _report(TITLES[sink], sink, steps, args)
        console.print(f"capacity: bottleneck: {report.conditions['ran out']}")
        reports.append(report)
        # Without an encoder at least as many sessions fit.
        first = max((step.sessions for step in steps if step.good), default=first)
    return reports


def _ramp_of(
    sink: str, first: int, args: argparse.Namespace, stack: Stack, console: Console
) -> list[LoadStep]:
    livekit, steps = stack.livekit, list[LoadStep]()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_gateway(
            livekit.url,
            livekit.key,
            livekit.secret,
            Path(folder) / "gateway.log",
            LITE_SINK=sink,
            LITE_MAX_SESSIONS=str(args.most),
        ) as gateway,
    ):
        asyncio.run(_ramp(gateway, first, args, steps, console))
    return steps


def next_load(steps: Sequence[LoadStep], add: int, most: int) -> int | None:
    """
    Return how many sessions to try next; None when the limit is found.

    The ramp goes up while frames are in time. If the first load was too high, it goes
    down to the first that is not.
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
    args: argparse.Namespace,
    steps: list[LoadStep],
    console: Console,
) -> None:
    load: int | None = min(first, args.most)
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []
        while load is not None:
            while len(tasks) > load:
                tasks.pop().cancel()
            while len(tasks) < load:
                open_event = asyncio.Event()
                tasks.append(group.create_task(_talk(args, gateway, open_event)))
                await open_event.wait()
            steps.append(await best_try(gateway, load, args, console, measure=_measure))
            load = next_load(steps, args.add, args.most)
        for task in tasks:
            task.cancel()


async def _talk(
    args: argparse.Namespace, gateway: Gateway, open_event: asyncio.Event
) -> None:
    """Hold one session until it is cancelled; it speaks turn after turn, or idles."""
    async with open_session(
        gateway.url,
        gateway.key,
        avatar=args.avatar,
        video_settings={"quality": args.quality},
    ) as avatar:
        open_event.set()
        while not args.idle:
            await send(avatar, speech(_TURN_S), "burst")
            await avatar.event("agent.speak_ended")
        await asyncio.Event().wait()  # until cancelled


async def best_try(
    gateway: Gateway,
    load: int,
    args: argparse.Namespace,
    console: Console,
    *,
    measure: Measure,
) -> LoadStep:
    """Measure a load, again while frames come late; return the best measurement."""
    best: LoadStep | None = None
    for _ in range(max(1, args.tries)):
        await asyncio.sleep(_SETTLE_S)
        step = await measure(gateway, load, args.seconds)
        name, share = step.fullest
        console.print(
            f"capacity: {load} sessions, {100 * step.late_share:.1f} % of the frames "
            f"late; busy: machine {100 * step.machine:.0f} %, of which other processes "
            f"{100 * step.others:.0f} %, thread {name} {100 * share:.0f} %"
        )
        if best is None or step.late_share < best.late_share:
            best = step
        if best.good:
            break
    assert best is not None
    return best


async def _measure(gateway: Gateway, sessions: int, seconds: float) -> LoadStep:
    before, threads_before = gateway.metrics(), ThreadReading(gateway.pid)
    machine_before, started_s = MachineReading.now(), time.monotonic()
    with watched() as gpu:
        await asyncio.sleep(seconds)
    threads = ThreadReading(gateway.pid)
    machine, lasted_s = MachineReading.now(), time.monotonic() - started_s
    after = gateway.metrics()

    def increase(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    # Frames that a late gateway leaves out on purpose are late as well.
    left_out = 'lite_frames_left_out_total{{pose="{}"}}'
    skipped = increase("lite_frames_skipped_total") + sum(
        increase(left_out.format(pose)) for pose in GROUPS
    )
    submitted = increase("lite_frame_late_seconds_count")
    in_time = increase('lite_frame_late_seconds_bucket{le="0.04"}')
    passes = increase("lite_batch_size_count")
    return LoadStep(
        sessions=sessions,
        late_share=(submitted - in_time + skipped) / max(1.0, submitted + skipped),
        frames=submitted,
        lasted_s=lasted_s,
        stages=threads.stages_since(threads_before),
        threads=threads.threads_since(threads_before),
        machine=machine.busy_since(machine_before),
        others=machine.others_since(machine_before),
        render=increase("lite_render_seconds_sum") / lasted_s,
        batch=increase("lite_batch_size_sum") / max(1.0, passes),
        memory_mb=memory_mb(gateway.pid),
        gpu=gpu.samples,
        gpu_unread=gpu.unread,
    )


def _report(
    title: str, sink: str, steps: Sequence[LoadStep], args: argparse.Namespace
) -> Report:
    conditions = {"avatar": args.avatar, "quality": args.quality, "sink": sink}
    report = Report(title, {**conditions, "idle": args.idle})
    good = [step.sessions for step in steps if step.good]
    on_gpu = any(step.gpu for step in steps)
    budget = "L7 ≥ 3" if sink == "livekit" else "L7 ≥ 80" if on_gpu else ""
    if args.idle:
        budget = ""  # it is for sessions that speak
    report.add("sessions without late frames", "", [max(good, default=0)], budget)
    if (slope_mb := memory_per_session(steps)) is not None:
        report.add("memory of one more session", "MB", [slope_mb])
    for step in sorted(steps, key=lambda step: step.sessions):
        _add_step(report, step)
    report.conditions["ran out"] = bottleneck(steps)
    report.conditions["threads"] = {
        str(step.sessions): _threads(step)
        for step in sorted(steps, key=lambda step: step.sessions)
    }
    if not on_gpu:
        report.conditions["gpu"] = f"not measured: {steps[-1].gpu_unread}"
    return report


def _threads(step: LoadStep) -> dict[str, float]:
    """Return the core-ms of a frame by the name of the thread, the most first."""
    named = by_name(step.threads)
    return {name: round(it, 3) for name, it in core_ms(named, step.frames).items()}


def _add_step(report: Report, step: LoadStep) -> None:
    load = f"{step.sessions} sessions"
    report.add(f"{load}: frames late or skipped", "%", [100 * step.late_share])
    used_s = sum(use.cpu_s for use in step.stages.values())
    report.add(f"{load}: whole gateway, of a core", "%", [100 * used_s / step.lasted_s])
    a_frame = core_ms(step.stages, step.frames)
    for stage, spent_ms in a_frame.items():
        report.add(f"{load}: {stage}, a shown frame", "core-ms", [spent_ms])
    spent_ms = sum(a_frame.values())
    report.add(f"{load}: whole gateway, a shown frame", "core-ms", [spent_ms])
    for stage, use in step.stages.items():
        wakes = use.wakes / max(1.0, step.frames)
        report.add(f"{load}: {stage}, woken a shown frame", "times", [wakes])
    report.add(f"{load}: whole machine busy", "%", [100 * step.machine])
    report.add(f"{load}: busy with other processes", "%", [100 * step.others])
    report.add(f"{load}: render thread busy", "%", [100 * step.render])
    report.add(f"{load}: frames in a pass", "", [step.batch])
    report.add(f"{load}: memory", "MB", [step.memory_mb])
    if step.gpu:
        report.add(f"{load}: GPU busy", "%", [it.busy for it in step.gpu])
        report.add(f"{load}: GPU memory", "MB", [it.memory_mb for it in step.gpu])


def memory_per_session(steps: Sequence[LoadStep]) -> float | None:
    """Return the MB that one more session takes, by linear fit; None of one load."""
    if len({step.sessions for step in steps}) < 2:
        return None
    slope, _ = np.polyfit(
        [step.sessions for step in steps], [step.memory_mb for step in steps], 1
    )
    return float(slope)


def bottleneck(steps: Sequence[LoadStep]) -> str:
    """Name the busiest resource at the lowest load that was too high."""
    bad = [step for step in steps if not step.good]
    if not bad:
        return "none: the ramp ended before frames came late"
    step = min(bad, key=lambda step: step.sessions)
    name, share = step.fullest
    used = {f"the thread {name}": share, "the processors": step.machine}
    if step.gpu:
        used["the GPU"] = float(np.median([it.busy for it in step.gpu])) / 100
    name = max(used, key=lambda name: used[name])
    text = f"{name}, {100 * used[name]:.0f} % busy"
    if used[name] < _BUSY_SHARE:
        text = f"none all the time; busiest: {text}"
    if step.others >= _OTHERS_SHARE:
        text += (
            f"; other processes used {100 * step.others:.0f} % of the machine: "
            "measure again on a quiet one"
        )
    return text
