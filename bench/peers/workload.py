"""
What says the same things in every system that is set beside ours, and what is measured.

An utterance is some speech, by which its beginning is found, and then a tone
without pauses, in which it is cut.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from bench.interrupt import last_loud, steady
from bench.probe.listening import Listener, Recording, speech
from bench.report.figures import Report

SPEECH_S = 0.8
_TONE_S = 3.0
_HOLD_S = 0.3, 0.7  # of tone, until the cut
_APART_S = 0.1
_HEARD_S, _FAINT = 0.4, 300  # before a cut something must be louder, of 16 bit
_QUEUED_S = 2.0  # each of two segments that a cut finds


class Talker(Protocol):
    """Where speech goes in."""

    async def say(self, pcm: bytes) -> float:
        """16 bit, mono, 24 kHz, all at once; when its first byte was given, in s."""
        ...

    async def cut(self) -> float:
        """Be silent; when that was asked for, in s."""
        ...


@runtime_checkable
class Answering(Protocol):
    """A speaker that is told when what it said is over."""

    async def over(self) -> float:
        """When it was last told that what had been said before a cut is over, in s."""
        ...


@dataclass(frozen=True, slots=True)
class System:
    """One of those side by side: how to open it, and how long it may take, in s."""

    name: str
    opened: Callable[[], AbstractAsyncContextManager[tuple[Talker, Listener]]]
    slowest_s: float = 0.5  # given until heard
    longest_s: float = 0.7  # cut until silent


@dataclass(frozen=True, slots=True)
class Utterance:
    given_s: float
    cut_s: float


@dataclass(frozen=True, slots=True)
class Queued:
    """Two segments given, a cut at once, and one more segment."""

    cut_s: float
    over_s: float
    until_s: float  # when the last segment had been said


@dataclass(slots=True)
class Measured:
    """Everything of one system, in ms, one sample each; NaN where nothing was heard."""

    waits: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)
    over: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)

    def add_to(self, report: Report, peer: str = "") -> None:
        for name, samples in (
            ("given → first sample decoded", self.waits),
            ("cut → last loud sample decoded", self.tails),
            ("two queued, cut → told that both are over", self.over),
            ("two queued, cut → first sample of the next decoded", self.again),
        ):
            if samples:
                report.add(name, "ms", samples, peer=peer)


async def measure(
    system: System, measured: Measured, count: int, queued: int, seed: int
) -> None:
    """One block: ``count`` utterances with their cuts, and ``queued`` times two."""
    chance = random.Random(seed)
    async with system.opened() as (speaker, listener):
        said = [await _utter(system, speaker, chance) for _ in range(count)]
        twice = []
        if isinstance(speaker, Answering):
            twice = [await _queue(speaker, speaker) for _ in range(queued)]
        heard = listener.leave()
    measured.waits += [_wait(system, heard, each) for each in said]
    measured.tails += [_tail(system, heard, each) for each in said]
    measured.over += [1000 * (each.over_s - each.cut_s) for each in twice]
    measured.again += [_again(heard, each) for each in twice]


async def _utter(system: System, speaker: Talker, chance: random.Random) -> Utterance:
    given_s = await speaker.say(speech(SPEECH_S) + steady(_TONE_S))
    # A slow system is cut later, when its tone is heard: there must be sound to end.
    late_s = max(0.0, system.slowest_s - 0.5)
    hold_s = SPEECH_S + late_s + chance.uniform(*_HOLD_S)
    await asyncio.sleep(given_s + hold_s - time.monotonic())
    cut_s = await speaker.cut()
    await asyncio.sleep(cut_s + system.longest_s + _APART_S - time.monotonic())
    return Utterance(given_s, cut_s)


async def _queue(speaker: Talker, answering: Answering) -> Queued:
    for _ in range(2):
        await speaker.say(steady(_QUEUED_S))
    cut_s = await speaker.cut()
    await speaker.say(speech(SPEECH_S))
    over_s = await answering.over()
    await asyncio.sleep(SPEECH_S + 0.3)
    return Queued(cut_s, over_s, time.monotonic())


def _wait(system: System, heard: Recording, said: Utterance) -> float:
    until_s = said.given_s + SPEECH_S + system.slowest_s
    start = heard.find(speech(SPEECH_S), said.given_s, until_s)
    return 1000 * (heard.arrived(start) - said.given_s)


def _tail(system: System, heard: Recording, said: Utterance) -> float:
    """At most ``longest_s``: a tail of so much is one that has not ended."""
    before = heard.loudness(said.cut_s - _HEARD_S, said.cut_s)
    if before < _FAINT:  # there was nothing to end
        return np.nan
    return 1000 * (last_loud(heard, said.cut_s, system.longest_s) - said.cut_s)


def _again(heard: Recording, each: Queued) -> float:
    start = heard.find(speech(SPEECH_S), each.cut_s, each.until_s)
    return 1000 * (heard.arrived(start) - each.cut_s)
