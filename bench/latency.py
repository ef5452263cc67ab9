"""
Scenario ``latency``: time from speech sent to speech seen and heard, stage by stage.

All times are of one host clock. "received", "rendered" and "submitted" (to the LiveKit
SDK) come from the gateway's trace file; "speak_started" is read by the client;
"decoded" is measured at a subscriber in another process: a frame is recognised by its
marker, an audio sample by cross-correlation of its turn.
"""

import argparse
import asyncio
import random
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.probe.arrivals import (
    audio_ahead_ms,
    decoded_frames,
    decoded_s,
    first_frame_s,
)
from bench.probe.gateway_trace import TurnTrace, milliseconds, read_turns
from bench.probe.listening import (
    SENT_RATE,
    Recording,
    listening,
    speech,
    with_listener,
)
from bench.probe.stack import Stack
from bench.report import timeline
from bench.report.figures import Report
from lite_gateway.client import AvatarSession, open_session
from lite_gateway.client.pacing import paced

STEP = SENT_RATE // 50  # samples: L2 and L3 are judged every 20 ms
PACES = ("burst", "plugin", "1x")
MARKED = "fiducial"  # the avatar whose frames carry their number
QUALITY, CODEC = "512x512", "H264"
_SETTLE_S = 2.0
_TAIL_S = 0.5  # how long a turn may still be heard after its end was reported
_SPEECH_S = 1.1
_CONDITIONS = ("pace", "avatar", "quality", "codec", "turns")


@dataclass(frozen=True, slots=True)
class Condition:
    """Settings of one report."""

    pace: str
    quality: str = QUALITY
    codec: str = CODEC
    turns: int = 10
    avatar: str = MARKED
    with_timeline: bool = False

    @property
    def name(self) -> str:
        """Pace, and each setting that is not the default."""
        defaults = {self.quality: QUALITY, self.codec: CODEC}
        unusual = [value for value, default in defaults.items() if value != default]
        return ", ".join(["latency", self.pace, *unusual])


# A larger size and the other codec, with fewer turns to save time.
MORE_CONDITIONS = (
    Condition("burst", quality="1280x720", turns=6),
    Condition("burst", codec="VP8", turns=6),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """Turn as its client saw it."""

    number: int
    sent: list[tuple[float, int]]  # each message: when, and its first sample
    started_s: float
    ended_s: float

    @property
    def sent_s(self) -> float:
        """Time at which the first message was sent."""
        return self.sent[0][0]

    def sample_sent_s(self, sample: int) -> float:
        """Return when the message with that sample was sent."""
        return next(at_s for at_s, first in reversed(self.sent) if first <= sample)


@dataclass(frozen=True)
class Conversation:
    """Turns of one session as client, subscriber and gateway recorded them."""

    pcm: bytes  # of each turn
    turns: list[Turn]
    heard: Recording
    traces: dict[int, TurnTrace]  # empty if the gateway does not trace

    def starts(self) -> dict[int, int]:
        """Return the sample of the recording at which each turn begins."""
        return {
            turn.number: self.heard.find(self.pcm, turn.sent_s, turn.ended_s + _TAIL_S)
            for turn in self.turns
        }


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--turns",
        type=int,
        help="turns of each condition, 0 to measure only starts (default: 10, and 6 of "
        "the larger size and VP8)",
    )
    parser.add_argument(
        "--starts",
        type=int,
        default=4,
        help="sessions that measure L6 (default: %(default)s)",
    )
    parser.add_argument(
        "--avatar",
        default=MARKED,
        help=f"avatar to show; only {MARKED} gives figures of frames "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--quality",
        help=f"measure only this WIDTHxHEIGHT (default: {QUALITY}, and 1280x720)",
    )
    parser.add_argument(
        "--codec",
        choices=("H264", "VP8"),
        help="measure only this codec (default: H264, and VP8)",
    )


def conditions(args: argparse.Namespace) -> list[Condition]:
    """
    Return the conditions to measure.

    These are three paces and, unless a size or a codec is named, a larger size and the
    other codec.
    """
    quality, codec = args.quality or QUALITY, args.codec or CODEC
    selected = [
        Condition(pace, quality, codec, with_timeline=pace != "plugin")
        for pace in PACES
    ]
    if not args.quality and not args.codec:
        selected += MORE_CONDITIONS
    return [
        replace(
            it,
            avatar=args.avatar,
            turns=it.turns if args.turns is None else args.turns,
        )
        for it in selected
    ]


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    reports = []
    selected = conditions(args)
    for condition in selected:
        if not condition.turns:
            continue
        console.print(f"{condition.name}: {condition.turns} turns")
        conversation = asyncio.run(talk(condition, stack))
        reports.append(report(condition, conversation))
    console.print(f"latency, start: {args.starts} sessions")
    reports.append(asyncio.run(_starts(selected[0], args.starts, stack)))
    return reports


async def talk(
    condition: Condition, stack: Stack, seconds: float = _SPEECH_S
) -> Conversation:
    """Hold one session whose turns start at random phases of the frame clock."""
    video = {"quality": condition.quality, "encoding": condition.codec}
    rng, pcm = random.Random(1), speech(seconds)
    turns: list[Turn] = []
    traces: dict[int, TurnTrace] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with with_listener(
            stack.gateway, condition.avatar, Path(folder), video_settings=video
        ) as (avatar, listener):
            await asyncio.sleep(_SETTLE_S)
            for number in range(1, condition.turns + 1):
                turns.append(await speak_turn(avatar, number, pcm, condition.pace))
                await asyncio.sleep(rng.uniform(0.5, 0.8))
            heard = await asyncio.to_thread(listener.leave)
            if stack.trace is not None:
                ended_s = turns[-1].ended_s
                traces = await read_turns(stack.trace, avatar.session_id, ended_s)
    return Conversation(pcm, turns, heard, traces)


async def speak_turn(avatar: AvatarSession, number: int, pcm: bytes, pace: str) -> Turn:
    """Send a turn at its pace and wait for its end."""
    sent: list[tuple[float, int]] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(_send(avatar, pcm, pace, sent), name="send")
        await avatar.event("agent.speak_started")
        started_s = time.monotonic()
        await avatar.event("agent.speak_ended")
    return Turn(number, sent, started_s, time.monotonic())


async def _send(
    avatar: AvatarSession, pcm: bytes, pace: str, sent: list[tuple[float, int]]
) -> None:
    first = 0
    async for chunk in paced(pcm, pace):
        sent.append((time.monotonic(), first))
        await avatar.append(chunk)
        first += len(chunk) // 2
    await avatar.speak_end()


def report(condition: Condition, conversation: Conversation) -> Report:
    """Return every figure of a session, measured by client, gateway and subscriber."""
    turns, traces = conversation.turns, conversation.traces
    names = {name: getattr(condition, name) for name in _CONDITIONS}
    result = Report(condition.name, names)
    starts = conversation.starts()
    # At 1x a jitter buffer of up to 40 ms avoids underruns; L2 judges that pace.
    budget = "" if condition.pace == "1x" else "L1 p50 ≤ 15, p99 ≤ 40"
    waits = [turn.started_s - turn.sent_s for turn in turns]
    result.add("sent → speak_started read by the client", "ms", _ms(waits))
    if traces:
        added = [milliseconds(trace.added_latency_s, [0]) for trace in traces.values()]
        name = "received → first sample and frame submitted"
        result.add(name, "ms", _flat(added), budget)
    _add_decoded(result, condition, conversation, starts)
    if condition.avatar != MARKED or not traces:
        return result
    _add_stages(result, conversation, starts)
    if condition.pace == "1x":
        _add_each_step(result, conversation, starts)
    skipped = [trace.skipped_frames() for trace in traces.values()]
    result.add("frames skipped", "", skipped)
    if condition.with_timeline:
        turn = _median_turn(turns)
        result.timeline = timeline.timeline(
            turn.sent, traces[turn.number], conversation.heard, starts[turn.number]
        )
    return result


def _add_decoded(
    result: Report,
    condition: Condition,
    conversation: Conversation,
    starts: dict[int, int],
) -> None:
    heard, turns, budget = conversation.heard, conversation.turns, "L3 p50 ≤ 90"
    waits = [heard.arrival_s(starts[turn.number]) - turn.sent_s for turn in turns]
    result.add("sent → first sample decoded", "ms", _ms(waits), budget)
    if condition.avatar != MARKED:
        return
    waits = [first_frame_s(heard, turn.number) - turn.sent_s for turn in turns]
    result.add("sent → first frame decoded", "ms", _ms(waits), budget)
    ahead = [
        audio_ahead_ms(heard, number, starts[number], conversation.traces.get(number))
        for number in (turn.number for turn in turns)
    ]
    result.add("audio ahead of video", "ms", _flat(ahead), "L4 -40 .. +15")


def _add_stages(
    result: Report, conversation: Conversation, starts: dict[int, int]
) -> None:
    """Add the time that the first frame and the first sample spend in each stage."""
    stages: dict[str, list[float]] = {}
    for turn in conversation.turns:
        trace = conversation.traces[turn.number]
        if not trace.frames:
            continue  # all were skipped; "sent → first frame decoded" shows it
        received_s = trace.received_s(0)
        frame, audio = trace.frames[0], trace.audio[0]
        frame_s = first_frame_s(conversation.heard, turn.number)
        sample_s = conversation.heard.arrival_s(starts[turn.number])
        for name, wait_s in (
            ("first message: sent → received", received_s - turn.sent_s),
            ("first frame: received → render requested", frame.begun_s - received_s),
            ("first frame: render requested → rendered", frame.drawn_s - frame.begun_s),
            ("first frame: rendered → submitted", frame.shown_s - frame.drawn_s),
            ("first frame: submitted → decoded", frame_s - frame.shown_s),
            ("first sample: received → submitted", audio.at_s - received_s),
            ("first sample: submitted → decoded", sample_s - audio.at_s),
        ):
            stages.setdefault(name, []).append(1000 * wait_s)
    for name, waits in stages.items():
        result.add(name, "ms", waits)


def _add_each_step(
    result: Report, conversation: Conversation, starts: dict[int, int]
) -> None:
    """Add L2 at the gateway and L3 at the subscriber, every 20 ms of every turn."""
    submitted_ms: dict[str, list[float]] = {"audio": [], "video": [], "both": []}
    decoded_ms: dict[str, list[float]] = {"audio": [], "video": [], "both": []}
    for turn in conversation.turns:
        trace = conversation.traces[turn.number]
        steps = range(0, trace.samples, STEP)
        submitted_ms["audio"] += milliseconds(trace.audio_latency_s, steps)
        submitted_ms["video"] += milliseconds(trace.video_latency_s, steps)
        submitted_ms["both"] += milliseconds(trace.added_latency_s, steps)
        frames = decoded_frames(conversation.heard, trace.frames)
        for sample in steps:
            sent_s = turn.sample_sent_s(sample)
            start = starts[turn.number]
            audio_s = decoded_s(conversation.heard, start, sample) - sent_s
            frame = trace.frame(sample)
            video_s = frames[frame.index] - sent_s if frame else np.nan
            decoded_ms["audio"].append(1000 * audio_s)
            decoded_ms["video"].append(1000 * video_s)
            decoded_ms["both"].append(1000 * max(audio_s, video_s))
    for medium, waits in submitted_ms.items():
        budget = "L2 p50 ≤ 60, p99 ≤ 80" if medium == "both" else ""
        result.add(f"each 20 ms: received → {medium} submitted", "ms", waits, budget)
    for medium, waits in decoded_ms.items():
        known = [wait for wait in waits if np.isfinite(wait)]
        budget = "L3 p50 ≤ 90" if medium == "both" else ""
        result.add(f"each 20 ms: sent → {medium} decoded", "ms", known, budget)


def _median_turn(turns: list[Turn]) -> Turn:
    """Return the turn with the median time to start."""
    ordered = sorted(turns, key=lambda turn: turn.started_s - turn.sent_s)
    return ordered[len(ordered) // 2]


def _ms(seconds: list[float]) -> list[float]:
    return [1000 * value for value in seconds]


def _flat(lists: list[list[float]]) -> list[float]:
    return [value for values in lists for value in values]


async def _starts(condition: Condition, times: int, stack: Stack) -> Report:
    """Measure L6 with a subscriber that waits in the room for the first frame."""
    about = {"quality": condition.quality, "avatar": condition.avatar}
    result = Report("latency, start", about)
    waits, answers = [], []
    video = {"quality": condition.quality, "encoding": condition.codec}
    for count in range(times):
        room = f"bench-start-{count}-{time.monotonic_ns()}"
        with (
            tempfile.TemporaryDirectory() as folder,
            listening(
                stack.livekit.url, stack.room_token(room, "listener"), Path(folder)
            ) as listener,
        ):
            own = {"url": stack.livekit.url, "token": stack.room_token(room, "avatar")}
            requested_s = time.monotonic()
            async with open_session(
                stack.gateway.url,
                stack.gateway.key,
                avatar=condition.avatar,
                video_settings=video,
                livekit_config=own,
            ):
                answered_s = time.monotonic()
                await asyncio.sleep(1.5)
                heard = listener.leave()
        answers.append(1000 * (answered_s - requested_s))
        arrivals = heard.frames[:, 0]
        waits.append(1000 * (arrivals[0] - answered_s) if len(arrivals) else np.nan)
    result.add("create and start → answered, socket open", "ms", answers)
    result.add("answered → first frame decoded", "ms", waits, "L6 ≤ 1000")
    return result
