"""
Moments of conversations: from person, counterpart and trace, on one clock.

All times are `time.monotonic` of this machine, in seconds. A moment that never came is
NaN, which breaks each budget that it belongs to.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.probe.gateway_trace import TurnTrace, by_turn
from bench.probe.listening import Recording
from bench.talks.person import Said
from lite_gateway.conversation.latency import STAGES
from lite_gateway.playout.trace import Event, FadeSent, TurnCut, TurnHeld

_FADE_S = 1.0  # within which a fade belongs to a cut
_ANSWER_S = 5.0  # within which an answer is heard
_LOUD = 800  # amplitude of 16 bit; the look-alike's voice has ten times that
Record = dict[str, Any]  # request or event, as the counterpart has it


@dataclass(frozen=True, slots=True)
class Answer:
    """Turn of the avatar: its stages in ms, if they were told, and its trace."""

    turn: TurnTrace
    stages: dict[str, float]

    @property
    def received_s(self) -> float:
        """Time at which its first audio arrived in the gateway."""
        return self.turn.received_s(0)

    @property
    def audio_s(self) -> float:
        """Time at which its first sample was submitted to the room."""
        return self.turn.audio[0].at_s if self.turn.audio else np.nan

    @property
    def shown_s(self) -> float:
        """Time at which its first sample and the frame of it were both submitted."""
        added_s = self.turn.added_latency_s(0)
        return np.nan if added_s is None else self.received_s + added_s

    def moment_s(self, stage: str) -> float:
        """Return when a stage of the agent process ended, counted back on the link."""
        later = STAGES[STAGES.index(stage) + 1 : STAGES.index("link") + 1]
        if not self.stages:
            return np.nan
        passed_ms = sum(self.stages.get(name, 0.0) for name in later)
        return self.received_s - passed_ms / 1000

    @property
    def uncounted_ms(self) -> float:
        """Return how far the sum of the stages is from their total."""
        if not self.stages:
            return np.nan
        parts = sum(self.stages.get(name, 0.0) for name in STAGES)
        return abs(self.stages["total"] - parts)


def answers(trace: Iterable[Event], events: Iterable[Record]) -> list[Answer]:
    """Return the turns of a session that were heard, with the stages of each."""
    turns = [it for it in by_turn(list(trace)).values() if it.audio and it.messages]
    turns.sort(key=lambda turn: turn.audio[0].at_s)
    began_s = [turn.audio[0].at_s for turn in turns]
    stages: dict[int, dict[str, float]] = {}
    for event in events:
        if event["event_type"] == "latency":
            # It is told as soon as the first sample and frame are submitted.
            place = bisect_right(began_s, event["at_s"]) - 1
            stages.setdefault(place, event["stages"])
    return [Answer(turn, stages.get(place, {})) for place, turn in enumerate(turns)]


def answer_to(said: Said, found: Sequence[Answer]) -> Answer | None:
    """Return the first turn that began after something was said."""
    return next((it for it in found if it.audio_s > said.last_s), None)


def newest(records: Iterable[Record], part: str, until_s: float) -> Record | None:
    """Return the newest request of a part that arrived before a moment."""
    asked = [it for it in records if it["part"] == part and it["arrived_s"] < until_s]
    return asked[-1] if asked else None


def silent_s(trace: Sequence[Event], since_s: float, *, held: bool = False) -> float:
    """
    Return when the last spoken sample was submitted: the end of the fade of a cut.

    It is that of the first cut after ``since_s``, or of the first hold.
    """
    kind: type[TurnHeld] | type[TurnCut] = TurnHeld if held else TurnCut
    stops = (it for it in trace if isinstance(it, kind) and it.at_s > since_s)
    stop = next(stops, None)
    if stop is None:
        return float(np.nan)
    fades = [
        it.at_s
        for it in trace
        if isinstance(it, FadeSent)
        and it.turn == stop.turn
        and 0 <= it.at_s - stop.at_s < _FADE_S
    ]
    return fades[0] if fades else stop.at_s


def first_loud_s(heard: Recording, since_s: float) -> float:
    """Return when the first loud sample after a moment arrived, within 5 s."""
    within = heard.sample_range(since_s, since_s + _ANSWER_S)
    loud = np.flatnonzero(np.abs(heard.audio[within].astype(int)) > _LOUD)
    if not len(loud):
        return float(np.nan)
    return heard.arrival_s(within.start + int(loud[0]))


def sent_events(connections: Iterable[Record], kind: str) -> list[float]:
    """Return when the counterpart has sent each event of a kind."""
    return [
        event["at_s"]
        for connection in connections
        for event in connection["sent"]
        if event["type"] == kind
    ]


def first_deltas(connections: Iterable[Record]) -> list[float]:
    """Return when the counterpart has sent the first audio of each answer."""
    first: dict[str, float] = {}
    for connection in connections:
        for event in connection["sent"]:
            if event["type"] == "response.output_audio.delta":
                first.setdefault(event["response_id"], event["at_s"])
    return list(first.values())
