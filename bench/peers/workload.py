"""
Workload of the systems that are measured side by side, and the measurements.

An utterance is some speech, by which its start is found, followed by a tone without
pauses, in which it is interrupted.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from bench.interrupt import last_loud, steady_tone
from bench.probe.listening import Listener, Recording, speech
from bench.report.figures import Report

SPEECH_S = 0.8
_TONE_S = 3.0
_TONE_BEFORE_S = 0.3, 0.7  # range of the tone before the interrupt
_PAUSE_S = 0.1
_HEARD_S, _MIN_RMS = 0.4, 300  # an interrupt needs audio before it; of 16 bit
_QUEUED_S = 2.0  # each of two queued segments


class SpeechTarget(Protocol):
    """System that speaks the audio sent to it; times are `time.monotonic`."""

    async def say(self, pcm: bytes) -> float:
        """Send s16le mono at 24 kHz at once; return when the first byte was sent."""
        ...

    async def interrupt(self) -> float:
        """Stop speaking; return when that was requested."""
        ...


@runtime_checkable
class ReportsEnds(Protocol):
    """Speech target that reports when speech is over."""

    async def last_end(self) -> float:
        """Return when it last reported that the speech before an interrupt is over."""
        ...


@dataclass(frozen=True, slots=True)
class System:
    """One of the systems: how to open it, and how slow it may be, in s."""

    name: str
    opened: Callable[[], AbstractAsyncContextManager[tuple[SpeechTarget, Listener]]]
    max_start_s: float = 0.5  # from sent to heard
    max_tail_s: float = 0.7  # from interrupt to silence


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance and its interrupt."""

    sent_s: float
    interrupt_s: float


@dataclass(frozen=True, slots=True)
class QueuedSegments:
    """Two segments sent, an interrupt at once, and one more segment."""

    interrupt_s: float
    ended_s: float  # when both were reported over
    until_s: float  # when the last segment had been spoken


@dataclass(slots=True)
class Measured:
    """Measurements of one system in ms; NaN where nothing was heard."""

    starts: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    next_starts: list[float] = field(default_factory=list)

    def add_to(self, report: Report, peer: str = "") -> None:
        queued = "two queued segments, interrupt"
        for name, samples in (
            ("sent → first sample decoded", self.starts),
            ("interrupt → last loud sample decoded", self.tails),
            (f"{queued} → end of both reported", self.ends),
            (f"{queued} → first sample of the next decoded", self.next_starts),
        ):
            if samples:
                report.add(name, "ms", samples, peer=peer)


async def measure(
    system: System, measured: Measured, count: int, queued: int, seed: int
) -> None:
    """Measure one block: ``count`` utterances, and ``queued`` times two segments."""
    rng = random.Random(seed)
    async with system.opened() as (target, listener):
        utterances = [await _utter(system, target, rng) for _ in range(count)]
        pairs = []
        if isinstance(target, ReportsEnds):
            pairs = [await _queue(target, target) for _ in range(queued)]
        heard = listener.leave()
    measured.starts += [_start_ms(system, heard, it) for it in utterances]
    measured.tails += [_tail_ms(system, heard, it) for it in utterances]
    measured.ends += [1000 * (it.ended_s - it.interrupt_s) for it in pairs]
    measured.next_starts += [_next_start_ms(heard, it) for it in pairs]


async def _utter(system: System, target: SpeechTarget, rng: random.Random) -> Utterance:
    sent_s = await target.say(speech(SPEECH_S) + steady_tone(_TONE_S))
    # A slow system is interrupted later: there must be audio to end.
    extra_s = max(0.0, system.max_start_s - 0.5)
    hold_s = SPEECH_S + extra_s + rng.uniform(*_TONE_BEFORE_S)
    await asyncio.sleep(sent_s + hold_s - time.monotonic())
    interrupt_s = await target.interrupt()
    until_s = interrupt_s + system.max_tail_s + _PAUSE_S
    await asyncio.sleep(until_s - time.monotonic())
    return Utterance(sent_s, interrupt_s)


async def _queue(target: SpeechTarget, ends: ReportsEnds) -> QueuedSegments:
    for _ in range(2):
        await target.say(steady_tone(_QUEUED_S))
    interrupt_s = await target.interrupt()
    await target.say(speech(SPEECH_S))
    ended_s = await ends.last_end()
    await asyncio.sleep(SPEECH_S + 0.3)
    return QueuedSegments(interrupt_s, ended_s, time.monotonic())


def _start_ms(system: System, heard: Recording, utterance: Utterance) -> float:
    until_s = utterance.sent_s + SPEECH_S + system.max_start_s
    start = heard.find(speech(SPEECH_S), utterance.sent_s, until_s)
    return 1000 * (heard.arrival_s(start) - utterance.sent_s)


def _tail_ms(system: System, heard: Recording, utterance: Utterance) -> float:
    """Return the tail after an interrupt; ``max_tail_s`` if it did not end by then."""
    at_s = utterance.interrupt_s
    if heard.rms(at_s - _HEARD_S, at_s) < _MIN_RMS:  # there was no audio to end
        return np.nan
    return 1000 * (last_loud(heard, at_s, system.max_tail_s) - at_s)


def _next_start_ms(heard: Recording, pair: QueuedSegments) -> float:
    start = heard.find(speech(SPEECH_S), pair.interrupt_s, pair.until_s)
    return 1000 * (heard.arrival_s(start) - pair.interrupt_s)
