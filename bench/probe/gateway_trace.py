"""A turn as the gateway saw it, out of its trace: positions are samples of the turn."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lite_gateway.playout.trace import (
    PERIOD_S,
    AudioReceived,
    AudioSent,
    Event,
    FrameSent,
    read,
)

_WITHIN_S = 10 * PERIOD_S


class TraceMissing(Exception):
    """The gateway did not write what a session did, though it was asked to."""


@dataclass(frozen=True, slots=True)
class GatewayTrace:
    """Everything of one turn, each list in the order in which it happened."""

    received: list[AudioReceived]
    frames: list[FrameSent]
    steps: list[AudioSent]

    @property
    def samples(self) -> int:
        """What the turn had in all."""
        return self.received[-1].total if self.received else 0

    def received_s(self, sample: int) -> float:
        """When the message with that sample came in."""
        totals = [each.total for each in self.received]
        return self.received[bisect_left(totals, sample + 1)].at_s

    def step(self, sample: int) -> AudioSent | None:
        """With what the sample was handed to the room."""
        ends = [each.first + each.samples for each in self.steps]
        place = bisect_left(ends, sample + 1)
        return self.steps[place] if place < len(ends) else None

    def frame(self, sample: int) -> FrameSent | None:
        """The frame that shows the sample; when it was skipped, the next one."""
        begun = [each for each in self.frames if each.first <= sample]
        # The newest: one that ran dry is followed by one that begins within it.
        if begun and sample < begun[-1].first + begun[-1].samples:
            return begun[-1]
        return next((each for each in self.frames if each.first > sample), None)

    def skipped(self) -> int:
        """Frames of the turn that were never handed to the room."""
        if not self.frames:
            return 0
        indices = [each.index for each in self.frames]
        return indices[-1] - indices[0] + 1 - len(indices)

    def sound_s(self, sample: int) -> float | None:
        """From the sample received until it was handed to the room."""
        step = self.step(sample)
        return None if step is None else step.at_s - self.received_s(sample)

    def picture_s(self, sample: int) -> float | None:
        """The same until its picture was."""
        frame = self.frame(sample)
        return None if frame is None else frame.shown_s - self.received_s(sample)

    def added_s(self, sample: int) -> float | None:
        """The same until both were: L1 of the first sample, L2 of any."""
        sound_s, picture_s = self.sound_s(sample), self.picture_s(sample)
        if sound_s is None or picture_s is None:
            return None
        return max(sound_s, picture_s)


def turns(told: list[Event]) -> dict[int, GatewayTrace]:
    """One session's events by turn."""
    found: dict[int, GatewayTrace] = {}
    for event in told:
        number = event.turn
        if not number:
            continue
        turn = found.setdefault(number, GatewayTrace([], [], []))
        match event:
            case AudioReceived():
                turn.received.append(event)
            case FrameSent():
                turn.frames.append(event)
            case AudioSent():
                turn.steps.append(event)
    return found


async def inside(
    path: Path, session: str, until_s: float, *, within_s: float = _WITHIN_S
) -> dict[int, GatewayTrace]:
    """
    A running session's turns up to ``until_s``, once the gateway has written them.

    `TraceMissing` when it does not ``within_s``.
    """
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        told = [event for name, event in read(path) if name == session]
        # Frames go on after the last turn: one that is newer says that all is here.
        if any(isinstance(each, FrameSent) and each.shown_s > until_s for each in told):
            return turns(told)
        await asyncio.sleep(PERIOD_S / 2)
    raise TraceMissing(f"{path} says nothing of session {session} after {until_s:.1f}")


def milliseconds(
    of: Callable[[int], float | None], samples: range | list[int]
) -> list[float]:
    """What ``of`` says of each sample, where it knows."""
    known = [seconds for sample in samples if (seconds := of(sample)) is not None]
    return [1000 * seconds for seconds in known]
