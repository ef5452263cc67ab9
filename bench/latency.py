"""
``bench latency``: from speech sent to seen and heard, at every boundary.

Times are of one host clock.  "received", "begun" (given to the renderer), "drawn" and
"handed over" (to the room) are the gateway's own, out of its trace; "speak_started" is
what a client reads; "decoded" is at a subscriber in another process: a frame by its
mark, a sample by the cross-correlation of its turn.
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

from bench.probe.gateway_trace import GatewayTrace, inside, milliseconds
from bench.probe.listening import (
    HEARD_RATE,
    SENT_RATE,
    Recording,
    attended,
    listening,
    speech,
)
from bench.probe.stack import Stack
from bench.report import timeline
from bench.report.figures import Report
from lite_gateway.client import AvatarSession, open_session
from lite_gateway.client.pacing import paced
from lite_gateway.playout.trace import FrameSent

FRAME_S = 0.040
STEP = SENT_RATE // 50  # 20 ms: L2 and L3 are judged at each
PACES = ("burst", "plugin", "1x")
MARKED = "fiducial"  # the avatar whose frames name themselves
QUALITY, CODEC = "512x512", "H264"
_SETTLE_S = 2.0
_TAIL_S = 0.5  # a turn may still be heard for so long after it is over
_SPEECH_S = 1.1
_STARTS = 4
_TOLD = ("pace", "avatar", "quality", "codec", "turns")


@dataclass(frozen=True, slots=True)
class Condition:
    """What one report is about."""

    pace: str
    quality: str = QUALITY
    codec: str = CODEC
    turns: int = 10
    avatar: str = MARKED
    drawn: bool = False  # as the timeline of a turn

    @property
    def name(self) -> str:
        """The pace, and whatever else is not usual."""
        unusual = {self.quality: QUALITY, self.codec: CODEC}
        told = [it for it, usual in unusual.items() if it != usual]
        return ", ".join(["latency", self.pace, *told])


# A larger picture, and the other codec: fewer turns of each tell enough.
OTHERS = (
    Condition("burst", quality="1280x720", turns=6),
    Condition("burst", codec="VP8", turns=6),
)


@dataclass(frozen=True, slots=True)
class Turn:
    number: int
    sent: list[tuple[float, int]]  # each message: when, and its first sample
    started_s: float
    over_s: float

    @property
    def sent_s(self) -> float:
        return self.sent[0][0]

    def sample_sent_s(self, sample: int) -> float:
        """When the message with that sample was sent."""
        return next(at_s for at_s, first in reversed(self.sent) if first <= sample)


@dataclass(frozen=True)
class Talk:
    """One session: its turns by who saw them. No trace, no ``inside``."""

    pcm: bytes  # of each turn
    turns: list[Turn]
    heard: Recording
    inside: dict[int, GatewayTrace]

    def starts(self) -> dict[int, int]:
        """The sample of what was heard at which each turn begins."""
        return {
            turn.number: self.heard.find(self.pcm, turn.sent_s, turn.over_s + _TAIL_S)
            for turn in self.turns
        }


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turns", type=int, help="of each condition (10 or 6)")
    parser.add_argument("--avatar", default=MARKED, help=f"{MARKED}: frames too")
    parser.add_argument("--quality", help=f"only this ({QUALITY}, and 1280x720)")
    parser.add_argument(
        "--codec", choices=("H264", "VP8"), help="only this (H264, and VP8)"
    )


def conditions(given: argparse.Namespace) -> list[Condition]:
    """Three paces; larger pictures and another codec unless others are asked for."""
    quality, codec = given.quality or QUALITY, given.codec or CODEC
    several = [
        Condition(pace, quality, codec, drawn=pace != "plugin") for pace in PACES
    ]
    if not given.quality and not given.codec:
        several += OTHERS
    return [
        replace(each, avatar=given.avatar, turns=given.turns or each.turns)
        for each in several
    ]


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    reports = []
    for condition in conditions(given):
        console.print(f"{condition.name}: {condition.turns} turns")
        talked = asyncio.run(talk(condition, stack))
        reports.append(report(condition, talked))
    reports.append(asyncio.run(_starts(conditions(given)[0], stack)))
    return reports


async def talk(condition: Condition, stack: Stack, seconds: float = _SPEECH_S) -> Talk:
    """One session, many turns at random phases of the frame clock."""
    video = {"quality": condition.quality, "encoding": condition.codec}
    chance, pcm = random.Random(1), speech(seconds)
    turns: list[Turn] = []
    seen: dict[int, GatewayTrace] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with attended(
            stack.gateway, condition.avatar, Path(folder), video_settings=video
        ) as (avatar, listener):
            await asyncio.sleep(_SETTLE_S)
            for number in range(1, condition.turns + 1):
                turns.append(await say(avatar, number, pcm, condition.pace))
                await asyncio.sleep(chance.uniform(0.5, 0.8))
            heard = await asyncio.to_thread(listener.leave)
            if stack.trace is not None:
                over_s = turns[-1].over_s
                seen = await inside(stack.trace, avatar.session_id, over_s)
    return Talk(pcm, turns, heard, seen)


async def say(avatar: AvatarSession, number: int, pcm: bytes, pace: str) -> Turn:
    """A whole turn, at its pace, until it is over."""
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
    async for piece in paced(pcm, pace):
        sent.append((time.monotonic(), first))
        await avatar.append(piece)
        first += len(piece) // 2
    await avatar.speak_end()


def report(condition: Condition, talked: Talk) -> Report:
    """Every figure of one session: by the client, the gateway and the subscriber."""
    told = {name: getattr(condition, name) for name in _TOLD}
    made = Report(condition.name, told)
    starts = talked.starts()
    # 1x holds back up to 40 ms so as not to run dry, and is judged by L2.
    budget = "" if condition.pace == "1x" else "L1 p50 ≤ 15, p99 ≤ 40"
    wait = [1000 * (turn.started_s - turn.sent_s) for turn in talked.turns]
    made.add("sent → speak_started read by the client", "ms", wait)
    if talked.inside:
        added = [milliseconds(seen.added_s, [0]) for seen in talked.inside.values()]
        made.add("received → sample and frame handed over", "ms", _all(added), budget)
    _add_decoded(made, condition, talked, starts)
    if condition.avatar != MARKED or not talked.inside:
        return made
    _add_stages(made, talked, starts)
    if condition.pace == "1x":
        _add_each_step(made, talked, starts)
    made.add("frames skipped", "", [each.skipped() for each in talked.inside.values()])
    if condition.drawn:
        turn = _typical(talked.turns)
        made.timeline = timeline.timeline(
            turn.sent, talked.inside[turn.number], talked.heard, starts[turn.number]
        )
    return made


def _add_decoded(
    made: Report, condition: Condition, talked: Talk, starts: dict[int, int]
) -> None:
    heard, turns, budget = talked.heard, talked.turns, "L3 p50 ≤ 90"
    waits = [heard.arrived(starts[turn.number]) - turn.sent_s for turn in turns]
    made.add("sent → first sample decoded", "ms", _ms(waits), budget)
    if condition.avatar != MARKED:
        return
    waits = [first_seen(heard, turn.number) - turn.sent_s for turn in turns]
    made.add("sent → first frame decoded", "ms", _ms(waits), budget)
    leads = [sound_leads(heard, turn.number, starts[turn.number]) for turn in turns]
    made.add("sound before picture", "ms", _all(leads), "L4 -40 .. +15")


def _add_stages(made: Report, talked: Talk, starts: dict[int, int]) -> None:
    """Where the first frame's time goes, and the first sample's."""
    stages: dict[str, list[float]] = {}
    for turn in talked.turns:
        seen = talked.inside[turn.number]
        if not seen.frames:
            continue  # all were skipped, and L3 says so
        came_s = seen.received_s(0)
        frame, step = seen.frames[0], seen.steps[0]
        frame_s = first_seen(talked.heard, turn.number)
        sample_s = talked.heard.arrived(starts[turn.number])
        for name, wait_s in (
            ("first message: sent → received", came_s - turn.sent_s),
            ("first frame: received → begun", frame.begun_s - came_s),
            ("first frame: begun → drawn", frame.drawn_s - frame.begun_s),
            ("first frame: drawn → handed over", frame.shown_s - frame.drawn_s),
            ("first frame: handed over → decoded", frame_s - frame.shown_s),
            ("first sample: received → handed over", step.at_s - came_s),
            ("first sample: handed over → decoded", sample_s - step.at_s),
        ):
            stages.setdefault(name, []).append(1000 * wait_s)
    for name, waits in stages.items():
        made.add(name, "ms", waits)


def _add_each_step(made: Report, talked: Talk, starts: dict[int, int]) -> None:
    """L2 in the gateway and L3 at the subscriber, of every 20 ms of every turn."""
    inside_ms: dict[str, list[float]] = {"sound": [], "picture": [], "both": []}
    decoded_ms: dict[str, list[float]] = {"sound": [], "picture": [], "both": []}
    for turn in talked.turns:
        seen = talked.inside[turn.number]
        steps = range(0, seen.samples, STEP)
        inside_ms["sound"] += milliseconds(seen.sound_s, steps)
        inside_ms["picture"] += milliseconds(seen.picture_s, steps)
        inside_ms["both"] += milliseconds(seen.added_s, steps)
        pictures = decoded_frames(talked.heard, seen.frames)
        for sample in steps:
            at_s = turn.sample_sent_s(sample)
            sound_s = decoded_s(talked.heard, starts[turn.number], sample) - at_s
            frame = seen.frame(sample)
            picture_s = pictures[frame.index] - at_s if frame else np.nan
            decoded_ms["sound"].append(1000 * sound_s)
            decoded_ms["picture"].append(1000 * picture_s)
            decoded_ms["both"].append(1000 * max(sound_s, picture_s))
    for what, waits in inside_ms.items():
        budget = "L2 p50 ≤ 60, p99 ≤ 80" if what == "both" else ""
        made.add(f"each 20 ms: received → {what} handed over", "ms", waits, budget)
    for what, waits in decoded_ms.items():
        known = [wait for wait in waits if np.isfinite(wait)]
        budget = "L3 p50 ≤ 90" if what == "both" else ""
        made.add(f"each 20 ms: sent → {what} decoded", "ms", known, budget)


def decoded_s(heard: Recording, start: int, sample: int) -> float:
    """When that sample of a turn was decoded; not a number if it never was."""
    place = start + sample * HEARD_RATE // SENT_RATE
    return heard.arrived(place) if place < len(heard.sound) else np.nan


def decoded_frames(heard: Recording, frames: list[FrameSent]) -> dict[int, float]:
    """When each frame was decoded; one that was lost, when the next one was."""
    seen = {int(index): at_s for at_s, index, *_ in reversed(heard.frames)}
    found, next_s = {}, np.nan
    for frame in reversed(frames):
        next_s = seen.get(frame.index, next_s)
        found[frame.index] = next_s
    return found


def first_seen(heard: Recording, turn: int) -> float:
    """When the first frame of a turn was decoded."""
    seen = heard.frames[heard.frames[:, 2] == turn]
    return float(seen[0, 0]) if len(seen) else np.nan


def sound_leads(heard: Recording, turn: int, start: int) -> list[float]:
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


def _typical(turns: list[Turn]) -> Turn:
    """The one in the middle, by how long it took to start."""
    order = sorted(turns, key=lambda turn: turn.started_s - turn.sent_s)
    return order[len(order) // 2]


def _ms(seconds: list[float]) -> list[float]:
    return [1000 * each for each in seconds]


def _all(lists: list[list[float]]) -> list[float]:
    return [each for some in lists for each in some]


async def _starts(condition: Condition, stack: Stack) -> Report:
    """L6: start answered until a subscriber, who waits in the room, has a frame."""
    made = Report("latency, start", {"quality": condition.quality})
    waits, answers = [], []
    video = {"quality": condition.quality, "encoding": condition.codec}
    for count in range(_STARTS):
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
                avatar=condition.avatar,
                video_settings=video,
                livekit_config=own,
            ):
                answered_s = time.monotonic()
                await asyncio.sleep(1.5)
                heard = listener.leave()
        answers.append(1000 * (answered_s - asked_s))
        seen = heard.frames[:, 0]
        waits.append(1000 * (seen[0] - answered_s) if len(seen) else np.nan)
    made.add("mint and start → answered, socket open", "ms", answers)
    made.add("answered → first frame decoded", "ms", waits, "L6 ≤ 1000")
    return made
