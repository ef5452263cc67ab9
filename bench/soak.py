"""
``bench soak``: sessions talk for minutes; whatever grows or drifts is a failure.

Memory may wander by a twentieth after the first third; every turn sent must have
started and ended; threads and open files must be as many at the end as at a third.
A subscriber of the first session measures how much earlier sound is than its picture,
turn by turn: after ten minutes the slope of that must be able to be within the limit.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.capacity import memory_mb
from bench.drift import Slope, slope
from bench.latency import MARKED, sound_leads
from bench.probe.gateway_trace import GatewayTrace, inside
from bench.probe.listening import Listener, Recording, listening, speech
from bench.probe.stack import Gateway, Stack
from bench.report.figures import Report
from lite_gateway.client import AvatarSession, open_session
from lite_gateway.client.pacing import send
from protocol.lite.messages import SAMPLE_RATE
from renderer.fiducial.marker import TURN_BITS

GROWTH = 1.05
DRIFT_MS = 5.0  # an hour
JUDGED_S = 600.0  # a shorter run cannot tell drift from wandering
LATE_S = 0.04
_HOUR_S = 3600.0
_MINUTE_S = 60.0
_PAUSE_S = 0.5
_TAIL_S = 0.4  # a turn may still be heard for so long after it is over
_SPEECH_S = (0.4, 1.1, 2.3)


class Grew(SystemExit):
    """The soak found growth: the command ends with it."""


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of the session that is listened to."""

    number: int
    seconds: float  # of speech
    sent_s: float
    over_s: float


@dataclass(slots=True)
class Count:
    sent: int = 0
    started: int = 0
    ended: int = 0
    said: list[Said] = field(default_factory=list, repr=False)


@dataclass(slots=True)
class Readings:
    """Of the gateway's process, every few seconds."""

    at_s: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    threads: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)

    def read(self, pid: int) -> None:
        self.at_s.append(time.monotonic())
        self.memory.append(memory_mb(pid))
        for count, folder in ((self.threads, "task"), (self.files, "fd")):
            count.append(len(list(Path(f"/proc/{pid}/{folder}").iterdir())))

    def __str__(self) -> str:
        counts = f"{self.threads[-1]:.0f} threads, {self.files[-1]:.0f} open files"
        return f"{self.memory[-1]:.0f} MB, {counts}"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--sessions", type=int, default=3)
    parser.add_argument("--avatar", default=MARKED, help="of all but the first")


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    console.print(f"soak: {given.sessions} sessions, {given.minutes:g} minutes")
    before = stack.gateway.metrics()
    readings, counts = Readings(), [Count() for _ in range(given.sessions)]
    heard, seen = asyncio.run(_soak(given, stack, readings, counts, console))
    after = stack.gateway.metrics()
    report = Report("soak", {"minutes": given.minutes, "sessions": given.sessions})
    _add_process(report, readings, counts)
    _add_frames(report, {name: after[name] - before.get(name, 0) for name in after})
    _add_leads(report, heard, counts[0].said)
    judged = _MINUTE_S * given.minutes >= JUDGED_S
    drift = _add_handed(report, seen, judged=judged)
    faults = _faults(readings, counts, stack.gateway)
    if judged and (drift is None or drift.beyond(DRIFT_MS)):
        faults.append(f"sound drifts against picture, ms an hour: {drift}")
    if faults:
        report.show(console)
        raise Grew("soak: " + "; ".join(faults))
    return [report]


def _add_process(report: Report, readings: Readings, counts: list[Count]) -> None:
    report.add("memory", "MB", readings.memory)
    # Settled, and before the last reading: that is of a gateway without sessions.
    during = slice(len(readings.at_s) // 3, -1)
    hours = [at_s / _HOUR_S for at_s in readings.at_s[during]]
    _add_slope(report, "memory grows", "MB/h", slope(hours, readings.memory[during]))
    report.add("threads", "", readings.threads)
    report.add("open files", "", readings.files)
    for name in ("sent", "started", "ended"):
        total = sum(getattr(count, name) for count in counts)
        report.add(f"turns {name}", "", [total])


def _add_frames(report: Report, counted: dict[str, float]) -> None:
    """``counted``: by how much each metric rose."""
    shown, skipped = (counted[f"lite_frames{what}_total"] for what in ("", "_skipped"))
    timely = counted[f'lite_frame_late_seconds_bucket{{le="{LATE_S}"}}']
    report.add("frames", "", [shown])
    report.add("frames skipped", "%", [100 * skipped / (shown + skipped)])
    late = 100 * (shown - timely) / shown
    report.add(f"frames later than {1000 * LATE_S:.0f} ms", "%", [late])


def _add_leads(report: Report, heard: Recording, said: list[Said]) -> None:
    """
    Sound before picture at the subscriber, and how fast its median moves.

    A jitter buffer that has grown in a bad minute is in it, and shrinks slowly.
    """
    leads, hours, middles = [], [], []
    for turn in said:
        found = turn_leads(heard, turn)
        if found:
            leads += found
            hours.append(turn.sent_s / _HOUR_S)
            middles.append(float(np.median(found)))
    report.add("sound before picture", "ms", leads, "L4 -40 .. +15")
    _add_slope(report, "sound decoded drifts", "ms/h", slope(hours, middles))


def _add_handed(
    report: Report, turns: Sequence[GatewayTrace], *, judged: bool
) -> Slope | None:
    """The same as the gateway hands it over: what is ours of any drift."""
    hours, middles = [], []
    for turn in turns:
        leads = handed_leads(turn)
        if leads:
            hours.append(turn.frames[0].shown_s / _HOUR_S)
            middles.append(float(np.median(leads)))
    report.add("sound handed over before its picture", "ms", middles)
    drift = slope(hours, middles)
    name = "sound handed over drifts"
    _add_slope(
        report,
        name,
        "ms/h",
        drift,
        f"L8 -{DRIFT_MS:g} .. +{DRIFT_MS:g}" if judged else "",
    )
    return drift


def handed_leads(turn: GatewayTrace) -> list[float]:
    """For each frame: ms by which its first sample was to be heard before it."""
    leads = []
    for frame in turn.frames:
        step = turn.step(frame.first)
        if step is not None:
            into_s = (frame.first - step.first) / SAMPLE_RATE
            leads.append(1000 * (frame.shown_s - (step.at_s + step.queued_s + into_s)))
    return leads


def turn_leads(heard: Recording, turn: Said) -> list[float]:
    """For each frame of a turn: ms by which its sound was decoded before it."""
    until_s = turn.over_s + _TAIL_S
    start = heard.find(speech(turn.seconds), turn.sent_s, until_s)
    at_s = heard.frames[:, 0]
    # The frames' turn numbers wrap after some minutes.
    near = heard.frames[(at_s >= turn.sent_s) & (at_s < until_s)]
    return sound_leads(replace(heard, frames=near), turn.number % 2**TURN_BITS, start)


def _add_slope(
    report: Report, name: str, unit: str, found: Slope | None, budget: str = ""
) -> None:
    if found is not None:
        report.add(name, unit, [found.middle], budget)
        report.add(f"{name}, 95 % from", unit, [found.low])
        report.add(f"{name}, 95 % to", unit, [found.high])


def _faults(readings: Readings, counts: list[Count], gateway: Gateway) -> list[str]:
    third = len(readings.memory) // 3
    settled, last = readings.memory[third], readings.memory[-1]
    faults = []
    if last > GROWTH * settled:
        faults.append(f"memory grew from {settled:.0f} to {last:.0f} MB")
    for name in ("threads", "files"):
        read = getattr(readings, name)
        if read[-1] > read[third]:
            faults.append(f"{name} grew from {read[third]:.0f} to {read[-1]:.0f}")
    for count in counts:
        if not count.sent == count.started == count.ended:
            faults.append(f"turns do not add up: {count}")
    if left := gateway.active():
        faults.append(f"sessions left: {left}")
    return faults


async def _soak(
    given: argparse.Namespace,
    stack: Stack,
    readings: Readings,
    counts: list[Count],
    console: Console,
) -> tuple[Recording, list[GatewayTrace]]:
    """What the first session's subscriber had, and what its gateway did."""
    began_s = time.monotonic()
    until_s = began_s + _MINUTE_S * given.minutes
    with tempfile.TemporaryDirectory() as folder:
        async with _attended(stack, Path(folder)) as (first, listener):
            async with asyncio.TaskGroup() as group:
                group.create_task(_talk(first, until_s, counts[0]), name="first")
                for count in counts[1:]:
                    group.create_task(_session(given, stack, until_s, count))
                told = 0
                while time.monotonic() < until_s:
                    readings.read(stack.gateway.pid)
                    await asyncio.sleep(max(0.5, given.minutes))
                    minutes = int((time.monotonic() - began_s) / _MINUTE_S)
                    if minutes > told:
                        told = minutes
                        turns = sum(count.ended for count in counts)
                        console.print(f"{told:4} min: {turns} turns, {readings}")
            heard = await asyncio.to_thread(listener.leave)
            assert stack.trace is not None
            over_s = counts[0].said[-1].over_s
            seen = await inside(stack.trace, first.session_id, over_s)
    # Read once more when nobody talks: what is left then was leaked.
    readings.read(stack.gateway.pid)
    return heard, list(seen.values())


@contextlib.asynccontextmanager
async def _attended(
    stack: Stack, folder: Path
) -> AsyncIterator[tuple[AvatarSession, Listener]]:
    """The session that is listened to: its frames name themselves."""
    async with _opened(stack, MARKED) as session:
        room, token = session.livekit_url, session.livekit_client_token
        with listening(room, token, folder, thumbs=False) as listener:
            yield session, listener


def _opened(
    stack: Stack, avatar: str
) -> contextlib.AbstractAsyncContextManager[AvatarSession]:
    video = {"quality": "512x512"}
    return open_session(
        stack.gateway.url, stack.gateway.key, avatar=avatar, video_settings=video
    )


async def _session(
    given: argparse.Namespace, stack: Stack, until_s: float, count: Count
) -> None:
    async with _opened(stack, given.avatar) as avatar:
        await _talk(avatar, until_s, count)


async def _talk(avatar: AvatarSession, until_s: float, count: Count) -> None:
    while time.monotonic() < until_s:
        seconds = _SPEECH_S[count.sent % len(_SPEECH_S)]
        sent_s = time.monotonic()
        await send(avatar, speech(seconds), "1x" if count.sent % 4 == 0 else "burst")
        count.sent += 1
        await avatar.event("agent.speak_started")
        count.started += 1
        await avatar.event("agent.speak_ended")
        count.ended += 1
        count.said.append(Said(count.sent, seconds, sent_s, time.monotonic()))
        await asyncio.sleep(_PAUSE_S)
