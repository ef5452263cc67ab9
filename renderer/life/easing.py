"""How anything moves: eased towards a goal, or in a beat that comes and goes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


class Eased:
    """
    Follows goals without jumps: two lags in a row, exact for any frame rate.

    90 % of a step is done after ``takes_s``.  It never leaves the range of its goals,
    so shares that sum to 1 go on doing so.
    """

    def __init__(self, takes_s: float, value: float = 0.0) -> None:
        self._rate = 3.89 / takes_s
        self._lag = self.value = value

    def towards(self, goal: float, passed_s: float) -> float:
        share = 1 - math.exp(-self._rate * passed_s)
        self._lag += (goal - self._lag) * share
        self.value += (self._lag - self.value) * share
        return self.value


@dataclass(frozen=True, slots=True)
class Gesture:
    """A movement up to ``height`` and back to nothing."""

    start_s: float
    rise_s: float
    hold_s: float
    fall_s: float
    height: float

    @property
    def over_s(self) -> float:
        return self.start_s + self.rise_s + self.hold_s + self.fall_s

    def at(self, at_s: float) -> float:
        t = at_s - self.start_s
        if t < self.rise_s:
            return self.height * smooth(t / self.rise_s)
        left = self.rise_s + self.hold_s + self.fall_s - t
        return self.height * smooth(left / self.fall_s)


class Gestures:
    """The beats of one muscle that are not over yet, on top of each other."""

    def __init__(self) -> None:
        self._beats: list[Gesture] = []

    def add(self, beat: Gesture) -> None:
        self._beats.append(beat)

    def at(self, at_s: float) -> float:
        if not self._beats:
            return 0.0
        self._beats = [beat for beat in self._beats if at_s < beat.over_s]
        return sum(beat.at(at_s) for beat in self._beats)


def smooth(t: float) -> float:
    """0..1 over ``t`` 0..1, starting and ending at rest."""
    t = min(max(t, 0.0), 1.0)
    return t * t * t * (t * (6 * t - 15) + 10)


class Shares:
    """How much of each of ``names`` there is: all of one, or on the way there."""

    def __init__(self, names: Sequence[str], takes_s: float) -> None:
        self._rate = 3.89 / takes_s
        self._names = names
        self._lags: list[float] = []
        self.values: list[float] = []

    def towards(self, name: str, passed_s: float) -> list[float]:
        """The first goal is reached at once; then as `Eased` does it."""
        goals = [float(each == name) for each in self._names]
        if not self.values:
            self._lags, self.values = list(goals), list(goals)
        share = 1 - math.exp(-self._rate * passed_s)
        for i, goal in enumerate(goals):
            self._lags[i] += (goal - self._lags[i]) * share
            self.values[i] += (self._lags[i] - self.values[i]) * share
        return self.values
