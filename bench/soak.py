"""
Scenario ``soak``: sessions speak for minutes; growth and drift are failures (L8).

After the first third of the run memory may rise by 5 %; threads and open files must not
rise at all; every turn that was sent must have started and ended. A subscriber of the
first session measures by how much audio is ahead of video, turn by turn: in runs of ten
minutes and more the drift of that must be within the limit.
With --cycles, sessions are started and stopped instead, and memory may not grow by more
than 0.1 MB a session. With --faults, servers are stopped and callers misbehave
meanwhile, one fault a minute: every turn must be accounted for.
"""

import argparse
import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.cycles import run_cycles
from bench.drift import Slope, slope
from bench.faults.run import run_faults
from bench.latency import MARKED
from bench.probe.arrivals import audio_ahead_ms
from bench.probe.gateway_trace import TurnTrace, read_turns
from bench.probe.listening import Listener, Recording, listening, speech
from bench.probe.process import memory_mb, open_files, thread_count
from bench.probe.stack import Gateway, Stack
from bench.report.figures import Report, write
from lite_gateway.cli.folders import cache_dir
from lite_gateway.client import AvatarSession, open_session
from lite_gateway.client.pacing import send
from protocol.lite.messages import SAMPLE_RATE
from renderer.fiducial.marker import TURN_BITS

MAX_GROWTH = 1.05  # of memory
MAX_DRIFT_MS = 5.0  # an hour
MIN_JUDGED_S = 600.0  # a shorter run cannot tell drift from jitter
MINUTES, FAULT_MINUTES = 0.5, 30.0
LATE_S = 0.04
_HOUR_S = 3600.0
_MINUTE_S = 60.0
_PAUSE_S = 0.5
_TAIL_S = 0.4  # how long a turn may still be heard after its end was reported
_SPEECH_S = (0.4, 1.1, 2.3)


class SoakFailed(SystemExit):
    """Exit of the command after growth or drift was measured."""


@dataclass(frozen=True, slots=True)
class SoakTurn:
    """Turn of the session that has a subscriber."""

    number: int
    seconds: float  # of speech
    sent_s: float
    ended_s: float


@dataclass(slots=True)
class TurnCounts:
    """Turns of one session."""

    sent: int = 0
    started: int = 0
    ended: int = 0
    turns: list[SoakTurn] = field(default_factory=list, repr=False)


@dataclass(slots=True)
class ProcessReadings:
    """Memory (MB), threads and open files of the gateway, every few seconds."""

    at_s: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    threads: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)

    def read(self, pid: int) -> None:
        self.at_s.append(time.monotonic())
        self.memory.append(memory_mb(pid))
        self.threads.append(thread_count(pid))
        self.files.append(open_files(pid))

    def __str__(self) -> str:
        counts = f"{self.threads[-1]:.0f} threads, {self.files[-1]:.0f} open files"
        return f"{self.memory[-1]:.0f} MB, {counts}"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--minutes",
        type=float,
        help="duration; drift and memory with --faults are judged from 10 on "
        f"(default: {MINUTES:g}, with --faults {FAULT_MINUTES:g})",
    )
    parser.add_argument(
        "--sessions",
        type=int,
        default=3,
        help="sessions that speak at once (default: %(default)s)",
    )
    parser.add_argument(
        "--cycles",
        type=int,
        default=0,
        metavar="N",
        help="start and stop N short sessions, four at a time, and judge the memory "
        "that they leave behind; 300 are enough (default: run for --minutes instead)",
    )
    parser.add_argument(
        "--faults",
        action="store_true",
        help="cause a fault every minute, in servers of the run's own",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="of what the sessions do, and of the order of faults "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--avatar",
        default=MARKED,
        help=f"avatar of all sessions but the first, which shows {MARKED} "
        "(default: %(default)s)",
    )


def run(
    args: argparse.Namespace, stack: Stack | None, console: Console
) -> list[Report]:
    if args.minutes is None:
        args.minutes = FAULT_MINUTES if args.faults else MINUTES
    if args.faults:
        cache = cache_dir(dict(os.environ))
        report, faults = run_faults(args.minutes, args.seed, cache, console)
        _fail_on(faults, report, console, args)
        return [report]
    assert stack is not None
    if args.cycles:
        report, faults = run_cycles(args.cycles, stack, console)
        _fail_on(faults, report, console, args)
        return [report]
    return [_run_minutes(args, stack, console)]


def _run_minutes(args: argparse.Namespace, stack: Stack, console: Console) -> Report:
    console.print(f"soak: {args.sessions} sessions, {args.minutes:g} minutes")
    before = stack.gateway.metrics()
    readings, counts = ProcessReadings(), [TurnCounts() for _ in range(args.sessions)]
    heard, traces = asyncio.run(_soak(args, stack, readings, counts, console))
    after = stack.gateway.metrics()
    report = Report("soak", {"minutes": args.minutes, "sessions": args.sessions})
    _add_process(report, readings, counts)
    _add_frames(report, {name: after[name] - before.get(name, 0) for name in after})
    _add_decoded(report, heard, counts[0].turns)
    judged = _MINUTE_S * args.minutes >= MIN_JUDGED_S
    drift = _add_submitted(report, traces, judged=judged)
    faults = _faults(readings, counts, stack.gateway)
    if judged and (drift is None or drift.exceeds(MAX_DRIFT_MS)):
        faults.append(f"audio drifts against video, in ms an hour: {drift}")
    _fail_on(faults, report, console, args)
    return report


def _fail_on(
    faults: list[str], report: Report, console: Console, args: argparse.Namespace
) -> None:
    """Exit if there are faults; what was measured is shown and written before."""
    if faults:
        report.show(console)
        if getattr(args, "json", None):
            write(args.json, [report])
        raise SoakFailed("soak: " + "; ".join(faults))


def _add_process(
    report: Report, readings: ProcessReadings, counts: list[TurnCounts]
) -> None:
    report.add("memory", "MB", readings.memory)
    # From a third on, when memory has settled, and without the last reading, which is
    # of a gateway without sessions.
    during = slice(len(readings.at_s) // 3, -1)
    hours = [at_s / _HOUR_S for at_s in readings.at_s[during]]
    growth = slope(hours, readings.memory[during])
    _add_slope(report, "growth of memory", "MB/h", growth)
    report.add("threads", "", readings.threads)
    report.add("open files", "", readings.files)
    for name in ("sent", "started", "ended"):
        total = sum(getattr(count, name) for count in counts)
        report.add(f"turns {name}", "", [total])


def _add_frames(report: Report, increase: dict[str, float]) -> None:
    """Add the frame counts; ``increase`` says by how much each metric rose."""
    submitted = increase["lite_frames_total"]
    skipped = increase["lite_frames_skipped_total"]
    in_time = increase[f'lite_frame_late_seconds_bucket{{le="{LATE_S}"}}']
    report.add("frames", "", [submitted])
    report.add("frames skipped", "%", [100 * skipped / (submitted + skipped)])
    name = "lite_frames_left_out_total"
    left_out = sum(more for key, more in increase.items() if key.startswith(name))
    report.add("frames left out", "%", [100 * left_out / (submitted + left_out)])
    late = 100 * (submitted - in_time) / submitted
    report.add(f"frames later than {1000 * LATE_S:.0f} ms", "%", [late])


def _add_decoded(report: Report, heard: Recording, turns: list[SoakTurn]) -> None:
    """
    Add by how much audio is ahead of video at the subscriber, and its drift.

    The subscriber's jitter buffer is part of it: it grows in a bad minute and shrinks
    slowly.
    """
    ahead, hours, medians = [], [], []
    for turn in turns:
        turn_ahead = decoded_ahead_ms(heard, turn)
        if turn_ahead:
            ahead += turn_ahead
            hours.append(turn.sent_s / _HOUR_S)
            medians.append(float(np.median(turn_ahead)))
    report.add("audio ahead of video", "ms", ahead, "L4 -40 .. +15")
    _add_slope(report, "drift of audio as decoded", "ms/h", slope(hours, medians))


def _add_submitted(
    report: Report, traces: Sequence[TurnTrace], *, judged: bool
) -> Slope | None:
    """Add the same as submitted by the gateway: the part of a drift that is ours."""
    hours, medians = [], []
    for trace in traces:
        ahead = submitted_ahead_ms(trace)
        if ahead:
            hours.append(trace.frames[0].shown_s / _HOUR_S)
            medians.append(float(np.median(ahead)))
    report.add("audio submitted ahead of its frame", "ms", medians)
    drift = slope(hours, medians)
    budget = f"L8 -{MAX_DRIFT_MS:g} .. +{MAX_DRIFT_MS:g}" if judged else ""
    _add_slope(report, "drift of audio as submitted", "ms/h", drift, budget)
    return drift


def submitted_ahead_ms(trace: TurnTrace) -> list[float]:
    """Return for each frame by how many ms its first sample will be heard before it."""
    ahead = []
    for frame in trace.frames:
        block = trace.audio_block(frame.first)
        if block is not None:
            offset_s = (frame.first - block.first) / SAMPLE_RATE
            heard_s = block.at_s + block.queued_s + offset_s
            ahead.append(1000 * (frame.shown_s - heard_s))
    return ahead


def decoded_ahead_ms(heard: Recording, turn: SoakTurn) -> list[float]:
    """Return for each frame of a turn by how many ms its audio was decoded before."""
    until_s = turn.ended_s + _TAIL_S
    start = heard.find(speech(turn.seconds), turn.sent_s, until_s)
    at_s = heard.frames[:, 0]
    # Frames carry the low bits of the turn number, which wrap after some minutes.
    during = heard.frames[(at_s >= turn.sent_s) & (at_s < until_s)]
    number = turn.number % 2**TURN_BITS
    return audio_ahead_ms(replace(heard, frames=during), number, start)


def _add_slope(
    report: Report, name: str, unit: str, value: Slope | None, budget: str = ""
) -> None:
    if value is not None:
        report.add(name, unit, [value.middle], budget)
        report.add(f"{name}, 95 % from", unit, [value.low])
        report.add(f"{name}, 95 % to", unit, [value.high])


def _faults(
    readings: ProcessReadings, counts: list[TurnCounts], gateway: Gateway
) -> list[str]:
    third = len(readings.memory) // 3
    settled, last = readings.memory[third], readings.memory[-1]
    faults = []
    if last > MAX_GROWTH * settled:
        faults.append(f"memory grew from {settled:.0f} to {last:.0f} MB")
    for name in ("threads", "files"):
        values = getattr(readings, name)
        if values[-1] > values[third]:
            faults.append(f"{name} grew from {values[third]:.0f} to {values[-1]:.0f}")
    for count in counts:
        if not count.sent == count.started == count.ended:
            faults.append(f"not every turn started and ended: {count}")
    if remaining := gateway.active_sessions():
        faults.append(f"sessions that did not end: {remaining}")
    return faults


async def _soak(
    args: argparse.Namespace,
    stack: Stack,
    readings: ProcessReadings,
    counts: list[TurnCounts],
    console: Console,
) -> tuple[Recording, list[TurnTrace]]:
    """Return the recording and the trace of the first session."""
    started_s = time.monotonic()
    until_s = started_s + _MINUTE_S * args.minutes
    with tempfile.TemporaryDirectory() as folder:
        async with _open_with_listener(stack, Path(folder)) as (first, listener):
            async with asyncio.TaskGroup() as group:
                group.create_task(_talk(first, until_s, counts[0]), name="first")
                for count in counts[1:]:
                    group.create_task(_session(args, stack, until_s, count))
                printed = 0
                while time.monotonic() < until_s:
                    readings.read(stack.gateway.pid)
                    await asyncio.sleep(max(0.5, args.minutes))
                    minutes = int((time.monotonic() - started_s) / _MINUTE_S)
                    if minutes > printed:
                        printed = minutes
                        turns = sum(count.ended for count in counts)
                        console.print(f"{minutes:4} min: {turns} turns, {readings}")
            heard = await asyncio.to_thread(listener.leave)
            assert stack.trace is not None
            ended_s = counts[0].turns[-1].ended_s
            traces = await read_turns(stack.trace, first.session_id, ended_s)
    # The last reading is without sessions: growth that is left is a leak.
    readings.read(stack.gateway.pid)
    return heard, list(traces.values())


@contextlib.asynccontextmanager
async def _open_with_listener(
    stack: Stack, folder: Path
) -> AsyncIterator[tuple[AvatarSession, Listener]]:
    """Open the session that has a subscriber; its frames carry their number."""
    async with _open(stack, MARKED) as session:
        room, token = session.livekit_url, session.livekit_client_token
        with listening(room, token, folder, thumbnails=False) as listener:
            yield session, listener


def _open(
    stack: Stack, avatar: str
) -> contextlib.AbstractAsyncContextManager[AvatarSession]:
    video = {"quality": "512x512"}
    return open_session(
        stack.gateway.url, stack.gateway.key, avatar=avatar, video_settings=video
    )


async def _session(
    args: argparse.Namespace, stack: Stack, until_s: float, count: TurnCounts
) -> None:
    async with _open(stack, args.avatar) as avatar:
        await _talk(avatar, until_s, count)


async def _talk(avatar: AvatarSession, until_s: float, count: TurnCounts) -> None:
    """Speak turn after turn, every fourth one at real-time pace."""
    while time.monotonic() < until_s:
        seconds = _SPEECH_S[count.sent % len(_SPEECH_S)]
        sent_s = time.monotonic()
        await send(avatar, speech(seconds), "1x" if count.sent % 4 == 0 else "burst")
        count.sent += 1
        await avatar.event("agent.speak_started")
        count.started += 1
        await avatar.event("agent.speak_ended")
        count.ended += 1
        count.turns.append(SoakTurn(count.sent, seconds, sent_s, time.monotonic()))
        await asyncio.sleep(_PAUSE_S)
