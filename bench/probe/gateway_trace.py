"""Turns as the gateway's trace file records them; positions are samples of the turn."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lite_gateway.playout.trace import (
    PERIOD_S,
    AudioReceived,
    AudioSent,
    Event,
    FrameSent,
    TurnHeld,
    read,
)

_TIMEOUT_S = 10 * PERIOD_S


class TraceMissing(Exception):
    """The trace file has no events of a session that should be in it."""


@dataclass(frozen=True, slots=True)
class TurnTrace:
    """Trace events of one turn, each list in the order in which they happened."""

    messages: list[AudioReceived]
    frames: list[FrameSent]
    audio: list[AudioSent]

    def hold(self, heard: int) -> None:
        """Drop the audio that was submitted from position ``heard`` on."""
        kept = [block for block in self.audio if block.first < heard]
        self.audio[:] = [
            replace(block, samples=min(block.samples, heard - block.first))
            for block in kept
        ]

    @property
    def samples(self) -> int:
        """Length of the turn."""
        return self.messages[-1].total if self.messages else 0

    def received_s(self, sample: int) -> float:
        """Return when the message with that sample was received."""
        totals = [message.total for message in self.messages]
        return self.messages[bisect_left(totals, sample + 1)].at_s

    def audio_block(self, sample: int) -> AudioSent | None:
        """Return the audio block in which the sample was submitted."""
        ends = [block.first + block.samples for block in self.audio]
        place = bisect_left(ends, sample + 1)
        return self.audio[place] if place < len(ends) else None

    def frame(self, sample: int) -> FrameSent | None:
        """Return the frame that shows the sample; if it was skipped, the next one."""
        started = [frame for frame in self.frames if frame.first <= sample]
        # The newest one: after an underrun a frame starts within the one before it.
        if started and sample < started[-1].first + started[-1].samples:
            return started[-1]
        return next((frame for frame in self.frames if frame.first > sample), None)

    def skipped_frames(self) -> int:
        """Return the number of frames of the turn that were never submitted."""
        if not self.frames:
            return 0
        indices = [frame.index for frame in self.frames]
        return indices[-1] - indices[0] + 1 - len(indices)

    def audio_latency_s(self, sample: int) -> float | None:
        """Return the time from receiving a sample to submitting it; None: never."""
        block = self.audio_block(sample)
        return None if block is None else block.at_s - self.received_s(sample)

    def video_latency_s(self, sample: int) -> float | None:
        """Return the time from receiving a sample to submitting its frame."""
        frame = self.frame(sample)
        return None if frame is None else frame.shown_s - self.received_s(sample)

    def added_latency_s(self, sample: int) -> float | None:
        """Return the larger of both latencies: L1 of the first sample, L2 of any."""
        audio_s, video_s = self.audio_latency_s(sample), self.video_latency_s(sample)
        if audio_s is None or video_s is None:
            return None
        return max(audio_s, video_s)


def by_turn(events: list[Event]) -> dict[int, TurnTrace]:
    """Group the events of one session by turn number."""
    turns: dict[int, TurnTrace] = {}
    for event in events:
        number = event.turn
        if not number:
            continue
        turn = turns.setdefault(number, TurnTrace([], [], []))
        match event:
            case AudioReceived():
                turn.messages.append(event)
            case FrameSent():
                turn.frames.append(event)
            case AudioSent():
                turn.audio.append(event)
            case TurnHeld(heard=heard):
                turn.hold(heard)
    return turns


async def read_turns(
    path: Path, session: str, until_s: float, *, timeout_s: float = _TIMEOUT_S
) -> dict[int, TurnTrace]:
    """
    Return a running session's turns, once events up to ``until_s`` are in the file.

    Raise `TraceMissing` when they are not there after ``timeout_s``.
    """
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        events = [event for name, event in read(path) if name == session]
        # Idle frames follow the last turn: a newer frame proves that all is written.
        if any(isinstance(it, FrameSent) and it.shown_s > until_s for it in events):
            return by_turn(events)
        await asyncio.sleep(PERIOD_S / 2)
    raise TraceMissing(
        f"{path} has no events of session {session} after {until_s:.1f} s: the gateway "
        "does not trace, or does not write. Start it with LITE_TRACE set to that file."
    )


def milliseconds(
    latency_s: Callable[[int], float | None], samples: range | list[int]
) -> list[float]:
    """Return the latency of each sample in ms, without those that are None."""
    known = [value for sample in samples if (value := latency_s(sample)) is not None]
    return [1000 * value for value in known]
