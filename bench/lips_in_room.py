"""
Scenario ``lips-in-room``: lip-sync offset at a subscriber, from pixels of the mouth.

`latency` recognises frames by a marker that only the fiducial avatar has; this works
with any avatar. Each decoded frame gives one number, how far the mouth is open (see
`training.evaluation.pixels`). The same driver and rig, run offline, say what it should
be at each moment of the audio. Cross-correlation with what was sent says, every quarter
second, which moment of the audio was heard when a frame was seen. The result is the lag
at which the two signals correlate best, one of each turn; it is positive where audio is
ahead.

A frame stays on the screen until the next one: on average its content is seen half a
frame after it arrived. A file in which each frame shows the face of its middle
(`lite-gateway render`) has an offset of 0. In a room a frame shows the face of its
middle as well, so lips and markers say the same. No correction is needed: the expected
signal runs over the time of the audio, not of the frames.

With --busy, processes compete for the processor meanwhile; --minutes shows for long
whether sound and lips stay together.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.latency import Turn, speak_turn
from bench.probe.arrivals import FRAME_S
from bench.probe.faults import busy
from bench.probe.listening import SENT_RATE, Recording, with_listener
from bench.probe.stack import Gateway, Stack, running_gateway
from bench.report.figures import Report
from lite_gateway.cli.render import find_avatar
from lite_gateway.config import Config, shipped_avatars
from lite_gateway.offline.wav import read_wav
from lite_gateway.video_quality import parse_quality
from renderer.avatar import make_rig
from renderer.speech.native_driver import make_lip_driver
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
PICTURES = "p5 ≥ 24"
MIN_CORRELATION = 0.7  # below it, or below that of reversed speech, there is no lag
_SETTLE_S = 2.0
_TAIL_S = 0.5
_MAX_LAG_S = 0.25
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Sentence:
    """Speech, and the mouth opening that is expected while it plays."""

    pcm: bytes
    mouth: Mouth
    expected: Signal

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / SENT_RATE


@dataclass(frozen=True, slots=True)
class Offset:
    """Lip-sync offset of one turn."""

    heard_s: float  # when its audio began, estimated over all of it
    audio_ahead_s: float  # NaN if the correlation is too low
    correlation: float
    reversed_correlation: float  # the best one with the sentence reversed

    @property
    def seen_s(self) -> float:
        """Start of the lip motion, estimated over all of it."""
        return self.heard_s + self.audio_ahead_s


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--avatar", default=Config().default_avatar, help="default: %(default)s"
    )
    parser.add_argument(
        "--avatars",
        type=Path,
        help="folder of avatar packages (default: the shipped ones)",
    )
    parser.add_argument(
        "--quality", default="512x512", help="WIDTHxHEIGHT (default: %(default)s)"
    )
    parser.add_argument(
        "--turns", type=int, default=6, help="turns at each pace (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help="speak for so long, half of it at each pace, in place of --turns",
    )
    parser.add_argument(
        "--busy",
        type=int,
        default=0,
        metavar="N",
        help="run N processes meanwhile that take all the processor time they get "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--speech",
        type=Path,
        default=SPEECH,
        help="WAV file of some seconds of speech (default: web/samples/hello.wav)",
    )


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    if args.minutes is None:
        amount, each = "turns", f"{args.turns} turns"
    else:
        amount, each = "minutes", f"{args.minutes / len(PACES):g} minutes"
    names = ("avatar", "quality", amount, "busy")
    conditions = {name: getattr(args, name) for name in names}
    report = Report("lips-in-room", {**conditions, "speech": args.speech.name})
    console.print(f"lips-in-room: rendering {args.avatar} offline")
    sentence = _sentence(args)
    with _gateway(args, stack) as gateway, busy(args.busy):
        for pace in PACES:
            console.print(f"lips-in-room, {pace}: {each}")
            turns, heard = asyncio.run(_talk(args, gateway, sentence, pace))
            offsets = [offset(heard, turn, sentence) for turn in turns]
            add_pace(report, pace, turns, offsets)
            add_pictures(report, pace, turns, heard)
    return [report]


def _sentence(args: argparse.Namespace) -> Sentence:
    """Render the sentence offline; exit if the avatar does not open its mouth."""
    import torch  # takes seconds, for which --help does not wait

    torch.set_num_threads(Config().render_threads)
    size, pcm = parse_quality(args.quality), read_wav(args.speech)
    avatar = find_avatar(args.avatars or shipped_avatars(), args.avatar)
    rig = make_rig(avatar, size.width, size.height, "cpu")
    try:
        mouth = find_mouth(rig)
    except NoMouth:
        raise SystemExit(
            f"lips-in-room: {args.avatar} does not open its mouth; choose another "
            "--avatar"
        ) from None
    return Sentence(pcm, mouth, expected_opening(rig, mouth, make_lip_driver(), pcm))


@contextlib.contextmanager
def _gateway(args: argparse.Namespace, stack: Stack) -> Iterator[Gateway]:
    """Yield the gateway of the run, or for ``--avatars`` one that has those."""
    if args.avatars is None:
        yield stack.gateway
        return
    keys = (stack.livekit.url, stack.livekit.key, stack.livekit.secret)
    with tempfile.TemporaryDirectory() as folder:
        log, avatars = Path(folder) / "gateway.log", str(args.avatars.resolve())
        with running_gateway(*keys, log, LITE_AVATARS=avatars) as gateway:
            yield gateway


async def _talk(
    args: argparse.Namespace, gateway: Gateway, sentence: Sentence, pace: str
) -> tuple[list[Turn], Recording]:
    """Speak the sentence in one session at random phases of the frame clock."""
    rng, turns = random.Random(1), list[Turn]()
    with tempfile.TemporaryDirectory() as folder:
        async with with_listener(
            gateway,
            args.avatar,
            Path(folder),
            crop=sentence.mouth.crop,
            video_settings={"quality": args.quality, "encoding": "H264"},
        ) as (avatar, listener):
            await asyncio.sleep(_SETTLE_S)
            for number in _numbers(args):
                turns.append(await speak_turn(avatar, number, sentence.pcm, pace))
                await asyncio.sleep(rng.uniform(0.5, 0.8))
            return turns, await asyncio.to_thread(listener.leave)


def _numbers(args: argparse.Namespace) -> Iterator[int]:
    """Yield the number of each turn at one pace, until it is time to end."""
    if args.minutes is None:
        yield from range(1, args.turns + 1)
        return
    until_s = time.monotonic() + _MINUTE_S * args.minutes / len(PACES)
    yield from itertools.takewhile(
        lambda _: time.monotonic() < until_s, itertools.count(1)
    )


def offset(heard: Recording, turn: Turn, sentence: Sentence) -> Offset:
    """Return the lip-sync offset of one turn, from its recording."""
    until_s = turn.ended_s + _TAIL_S
    delays = heard.delays(sentence.pcm, turn.sent_s, until_s)
    if not len(delays):
        return Offset(np.nan, np.nan, 0.0, 0.0)
    arrivals_s = heard.frames[:, 0]
    during = (arrivals_s > turn.sent_s - _TAIL_S) & (arrivals_s < until_s)
    seen_s = arrivals_s[during] + FRAME_S / 2
    # Convert to the time axis of the audio that was heard at that moment.
    at_s = seen_s - np.interp(seen_s, *delays.T)
    seen = Signal(at_s, sentence.mouth.opening(heard.crops[during]))
    expected = sentence.expected
    lag = estimate_lag(seen, expected, _MAX_LAG_S)
    reversed_speech = Signal(expected.at_s, expected.opening[::-1])
    by_chance = estimate_lag(seen, reversed_speech, _MAX_LAG_S).correlation
    is_sure = lag.correlation >= max(MIN_CORRELATION, by_chance)
    audio_ahead_s = lag.lag_s if is_sure else np.nan
    heard_s = float(np.median(delays[:, 1]))
    return Offset(heard_s, audio_ahead_s, lag.correlation, by_chance)


def add_pace(
    report: Report, pace: str, turns: list[Turn], offsets: list[Offset]
) -> None:
    """Add the figures of one pace, with the number of turns without an offset."""

    def add(name: str, unit: str, samples: list[float], budget: str = "") -> None:
        report.add(f"{pace}: {name}", unit, samples, budget)

    pairs = list(zip(turns, offsets, strict=True))
    known = [(turn, it) for turn, it in pairs if np.isfinite(it.audio_ahead_s)]
    ahead_ms = [1000 * it.audio_ahead_s for _, it in known]
    add("audio ahead of lips", "ms", ahead_ms, BUDGET)
    unknown = len(pairs) - len(known)
    add("turns whose lip offset could not be measured", "", [unknown], "≤ 0")
    heard_ms = [1000 * (it.heard_s - turn.sent_s) for turn, it in known]
    add("sent → heard", "ms", heard_ms)
    seen_ms = [1000 * (it.seen_s - turn.sent_s) for turn, it in known]
    add("sent → lips seen", "ms", seen_ms)
    correlation = [100 * it.correlation for it in offsets]
    add("correlation with lips rendered offline", "of 100", correlation)
    by_chance = [100 * it.reversed_correlation for it in offsets]
    add("correlation with the sentence reversed", "of 100", by_chance)


def add_pictures(
    report: Report, pace: str, turns: list[Turn], heard: Recording
) -> None:
    """Add the pictures that arrived in each second from the first turn to the last."""
    seconds = np.arange(turns[0].sent_s, turns[-1].ended_s - 1)
    rates = [heard.frame_rate(start_s, start_s + 1) for start_s in seconds]
    report.add(f"{pace}: pictures a second", "", rates, PICTURES)
