"""
``bench lips-in-room``: sound and lips at a subscriber, from the pixels of the mouth.

`latency` knows a frame by its mark, which only the fiducial has; this reads the lips of
any avatar.  Every decoded frame gives one number, how far the mouth is open (see
`training.evaluation.pixels`). What it should be at each moment of the sound, the same
driver and rig say offline. Which moment of the sound was heard as a frame was seen,
its own correlation with what was sent says, each quarter second.  The lag at which
the two are most alike is told of each turn, + where the sound comes first.

A frame stands until the next one comes: what it shows is seen, on average, half a frame
after it came, and a file in which each frame shows the face of its middle
(`lite-gateway render`) has an offset of 0.  In a room a frame shows the face of 20 ms
before its middle (`FACE_DELAY_SAMPLES`), so lips come that much later than marks say,
on purpose.  That needs no correction: the truth is over the time of the sound, not of
frames.
"""

import argparse
import asyncio
import contextlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from bench.latency import FRAME_S, Turn, say
from bench.probe.listening import SENT_RATE, Recording, attended
from bench.probe.stack import Gateway, Stack, running_gateway
from bench.report.figures import Report
from lite_gateway.cli.render import find_avatar
from lite_gateway.config import Config, shipped_avatars
from lite_gateway.offline.wav import read_wav
from lite_gateway.video_quality import parse_quality
from renderer.avatar import make_rig
from renderer.speech.lip_driver import LipsDriver
from training.evaluation.pixels import (
    Mouth,
    NoMouth,
    Signal,
    estimate_lag,
    expected_opening,
    find_mouth,
)

SPEECH = Path(__file__).parents[1] / "web" / "samples" / "hello.wav"
PACES = ("burst", "1x")
BUDGET = "L4 -40 .. +15"
SURE = 0.7  # lips less like what they should be, or than chance, have no lag
_SETTLE_S = 2.0
_TAIL_S = 0.5
_WITHIN_S = 0.25  # of the sound: where the lag of the lips is looked for


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said, and what a mouth does while it is."""

    pcm: bytes
    mouth: Mouth
    truth: Signal

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / SENT_RATE


@dataclass(frozen=True, slots=True)
class Offset:
    """Of one turn."""

    heard_s: float  # when its sound began, by all of it
    sound_leads_s: float  # not a number of lips that are not sure
    likeness: float
    by_chance: float  # the best likeness to the sentence backwards

    @property
    def seen_s(self) -> float:
        """When its lips began, by all of them."""
        return self.heard_s + self.sound_leads_s


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--avatar", default=Config().default_avatar)
    parser.add_argument(
        "--avatars", type=Path, help="folder of packages; the shipped ones otherwise"
    )
    parser.add_argument("--quality", default="512x512")
    parser.add_argument("--turns", type=int, default=6, help="at each pace")
    parser.add_argument(
        "--speech", type=Path, default=SPEECH, help="a WAV file of some seconds"
    )


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    told = {name: getattr(given, name) for name in ("avatar", "quality", "turns")}
    report = Report("lips-in-room", {**told, "speech": given.speech.name})
    console.print(f"lips-in-room: drawing {given.avatar} offline")
    sentence = _sentence(given)
    with _gateway(given, stack) as gateway:
        for pace in PACES:
            console.print(f"lips-in-room, {pace}: {given.turns} turns")
            turns, heard = asyncio.run(_talk(given, gateway, sentence, pace))
            offsets = [offset(heard, turn, sentence) for turn in turns]
            add_pace(report, pace, turns, offsets)
    return [report]


def _sentence(given: argparse.Namespace) -> Sentence:
    """`SystemExit` of an avatar without a mouth."""
    torch.set_num_threads(Config().render_threads)
    size, pcm = parse_quality(given.quality), read_wav(given.speech)
    avatar = find_avatar(given.avatars or shipped_avatars(), given.avatar)
    rig = make_rig(avatar, size.width, size.height, torch.device("cpu"))
    try:
        mouth = find_mouth(rig)
    except NoMouth:
        raise SystemExit(
            f"lips-in-room: {given.avatar} does not open its mouth"
        ) from None
    return Sentence(pcm, mouth, expected_opening(rig, mouth, LipsDriver(), pcm))


@contextlib.contextmanager
def _gateway(given: argparse.Namespace, stack: Stack) -> Iterator[Gateway]:
    """The bench's own; for other packages, one that has them."""
    if given.avatars is None:
        yield stack.gateway
        return
    keys = (stack.livekit.url, stack.livekit.key, stack.livekit.secret)
    with tempfile.TemporaryDirectory() as folder:
        log, avatars = Path(folder) / "gateway.log", str(given.avatars.resolve())
        with running_gateway(*keys, log, LITE_AVATARS=avatars) as gateway:
            yield gateway


async def _talk(
    given: argparse.Namespace, gateway: Gateway, sentence: Sentence, pace: str
) -> tuple[list[Turn], Recording]:
    """One session, the sentence again and again at random phases of the frame clock."""
    chance, turns = random.Random(1), list[Turn]()
    with tempfile.TemporaryDirectory() as folder:
        async with attended(
            gateway,
            given.avatar,
            Path(folder),
            crop=sentence.mouth.crop,
            video_settings={"quality": given.quality, "encoding": "H264"},
        ) as (avatar, listener):
            await asyncio.sleep(_SETTLE_S)
            for number in range(1, given.turns + 1):
                turns.append(await say(avatar, number, sentence.pcm, pace))
                await asyncio.sleep(chance.uniform(0.5, 0.8))
            return turns, await asyncio.to_thread(listener.leave)


def offset(heard: Recording, turn: Turn, sentence: Sentence) -> Offset:
    """What a subscriber heard and saw of one turn, against what was sent."""
    until_s = turn.over_s + _TAIL_S
    delays = heard.delays(sentence.pcm, turn.sent_s, until_s)
    if not len(delays):
        return Offset(np.nan, np.nan, 0.0, 0.0)
    came_s = heard.frames[:, 0]
    during = (came_s > turn.sent_s - _TAIL_S) & (came_s < until_s)
    seen_s = came_s[during] + FRAME_S / 2
    # On the time of the sound that was heard at that moment.
    at_s = seen_s - np.interp(seen_s, *delays.T)
    seen, truth = (
        Signal(at_s, sentence.mouth.opening(heard.crops[during])),
        sentence.truth,
    )
    found = estimate_lag(seen, truth, _WITHIN_S)
    reversed_truth = Signal(truth.at_s, truth.opening[::-1])
    by_chance = estimate_lag(seen, reversed_truth, _WITHIN_S).correlation
    sure = found.correlation >= max(SURE, by_chance)
    leads_s = found.lag_s if sure else np.nan
    heard_s = float(np.median(delays[:, 1]))
    return Offset(heard_s, leads_s, found.correlation, by_chance)


def add_pace(
    report: Report, pace: str, turns: list[Turn], offsets: list[Offset]
) -> None:
    """Every figure of one pace; a turn that has no offset is counted."""

    def add(name: str, unit: str, samples: list[float], budget: str = "") -> None:
        report.add(f"{pace}: {name}", unit, samples, budget)

    pairs = list(zip(turns, offsets, strict=True))
    sure = [(turn, it) for turn, it in pairs if np.isfinite(it.sound_leads_s)]
    add("sound before lips", "ms", [1000 * it.sound_leads_s for _, it in sure], BUDGET)
    add("turns whose lips told nothing", "", [len(pairs) - len(sure)], "≤ 0")
    add("sent → heard", "ms", [1000 * (it.heard_s - turn.sent_s) for turn, it in sure])
    add(
        "sent → lips seen",
        "ms",
        [1000 * (it.seen_s - turn.sent_s) for turn, it in sure],
    )
    likeness = [100 * it.likeness for it in offsets]
    add("lips like those drawn offline", "of 100", likeness)
    chance = [100 * it.by_chance for it in offsets]
    add("the same, of the sentence backwards", "of 100", chance)
