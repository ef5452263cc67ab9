"""Stages of an answer, from the end of the user's turn to the avatar's first sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lite_gateway.metrics import Metrics
from protocol.link.messages import MOMENTS, StageTimes

# `link`: written by the agent process -> read here; `avatar`: -> sent to the room.
STAGES = (*MOMENTS[1:], "link", "avatar")
MAX_TURNS = 256  # whose moments are incomplete
Told = Callable[[int, dict[str, float]], None]


@dataclass(slots=True)
class _Moments:
    """Moments of one turn, as `time.monotonic`."""

    agent: Mapping[str, float] | None = None
    arrived_s: float | None = None
    submitted_s: float | None = None


class TurnLatency:
    """
    Latency of the answers of one conversation, told once for each.

    ``told`` gets the number of the turn and the stages that it has, in seconds, in
    their order. They sum to the last entry, `total`. Turns that answer nothing have no
    moments, and are not told. The metric has answers to the user's voice alone.
    """

    def __init__(self, metrics: Metrics, told: Told) -> None:
        self._metrics = metrics
        self._told = told
        self._turns: dict[int, _Moments] = {}

    def opened(self, turn: int) -> None:
        """Begin with a turn."""
        self._turns[turn] = _Moments()
        if len(self._turns) > MAX_TURNS:
            del self._turns[next(iter(self._turns))]

    def arrived(self, turn: int, now_s: float) -> None:
        """Note that audio of a turn has arrived; the first counts."""
        moments = self._turns.get(turn)
        if moments is not None and moments.arrived_s is None:
            moments.arrived_s = now_s
            self._complete(turn, moments)

    def submitted(self, turn: int, now_s: float) -> None:
        """Note that the first sample and frame of a turn were sent to the room."""
        if moments := self._turns.get(turn):
            moments.submitted_s = now_s
            self._complete(turn, moments)

    def take(self, times: StageTimes) -> None:
        """Take the moments that the agent process has measured."""
        if moments := self._turns.get(times.turn):
            moments.agent = times.moments
            self._complete(times.turn, moments)

    def _complete(self, turn: int, moments: _Moments) -> None:
        agent, arrived_s, submitted_s = (
            moments.agent,
            moments.arrived_s,
            moments.submitted_s,
        )
        if not agent or arrived_s is None or submitted_s is None:
            return
        del self._turns[turn]
        found = stages({**agent, "link": arrived_s, "avatar": submitted_s})
        if MOMENTS[0] in agent:
            for name, seconds in found.items():
                self._metrics.conversation_stage.labels(name).observe(seconds)
        self._told(turn, found)


def stages(moments: Mapping[str, float]) -> dict[str, float]:
    """
    Return the seconds of each stage that has a moment, and their sum as `total`.

    A stage that a turn does not have is part of the next one. Moments may overlap: a
    transcript that was there before the end of the turn took no time of its own.
    """
    names = [name for name in (MOMENTS[0], *STAGES) if name in moments]
    begin_s = last_s = moments[names[0]]
    result = {}
    for name in names[1:]:
        at_s = max(last_s, moments[name])
        result[name] = at_s - last_s
        last_s = at_s
    return {**result, "total": last_s - begin_s}
