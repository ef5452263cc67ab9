"""Easing: values that follow a goal smoothly, and gestures that come and go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# A critically damped follower has done 90 % of a step when rate times time is this.
_RATE_FOR_90_PERCENT = 3.89
_NEGLIGIBLE = 1e-7  # rest of a fade


class Eased:
    """
    Value that follows goals without jumps: two equal lags in series.

    The result does not depend on the frame rate. 90 % of a step is done after
    ``duration_s``. The value never leaves the range of its goals.
    """

    def __init__(self, duration_s: float, value: float = 0.0) -> None:
        self._rate = _RATE_FOR_90_PERCENT / duration_s
        self._lag = self.value = value

    def towards(self, goal: float, elapsed_s: float) -> float:
        """Move towards ``goal`` for ``elapsed_s`` and return the new value."""
        share = 1 - math.exp(-self._rate * elapsed_s)
        self._lag += (goal - self._lag) * share
        self.value += (self._lag - self.value) * share
        return self.value


@dataclass(frozen=True, slots=True)
class Gesture:
    """Movement from 0 up to ``height`` and back to 0."""

    start_s: float
    rise_s: float
    hold_s: float
    fall_s: float
    height: float

    @property
    def end_s(self) -> float:
        return self.start_s + self.rise_s + self.hold_s + self.fall_s

    def at(self, at_s: float) -> float:
        t = at_s - self.start_s
        if t < self.rise_s:
            return self.height * smootherstep(t / self.rise_s)
        left = self.rise_s + self.hold_s + self.fall_s - t
        return self.height * smootherstep(left / self.fall_s)


class Gestures:
    """Sum of the gestures of one movement, such as nods, that have not ended."""

    def __init__(self) -> None:
        self._gestures: list[Gesture] = []

    def add(self, gesture: Gesture) -> None:
        self._gestures.append(gesture)

    def at(self, at_s: float) -> float:
        if not self._gestures:
            return 0.0
        self._gestures = [g for g in self._gestures if at_s < g.end_s]
        return sum(gesture.at(at_s) for gesture in self._gestures)


class Shares:
    """
    Crossfade between named states, as one share 0..1 a name; the shares sum to 1.

    It fades as `Eased` does.
    """

    def __init__(self, names: Sequence[str], duration_s: float) -> None:
        self._rate = _RATE_FOR_90_PERCENT / duration_s
        self._names = names
        self._lags: list[float] = []
        self.values: list[float] = []
        self.settled: str | None = None  # name with a share of exactly 1

    def towards(self, name: str, elapsed_s: float) -> list[float]:
        """Fade towards ``name`` for ``elapsed_s``; the first name applies at once."""
        if self.settled == name:
            return self.values
        goals = [float(other == name) for other in self._names]
        if not self.values:
            self._lags, self.values = list(goals), list(goals)
        share = 1 - math.exp(-self._rate * elapsed_s)
        for i, goal in enumerate(goals):
            self._lags[i] += (goal - self._lags[i]) * share
            self.values[i] += (self._lags[i] - self.values[i]) * share
        self.settled = None
        left = map(_distance, goals + goals, self._lags + self.values)
        if max(left) < _NEGLIGIBLE:
            self._lags, self.values, self.settled = list(goals), goals, name
        return self.values


def _distance(a: float, b: float) -> float:
    return abs(a - b)


def smoothstep(t: float) -> float:
    """Return 0..1 for ``t`` in 0..1, clamped; the speed is 0 at both ends."""
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


def smootherstep(t: float) -> float:
    """Return 0..1 for ``t`` in 0..1, clamped; speed and acceleration end at 0."""
    t = min(max(t, 0.0), 1.0)
    return t * t * t * (t * (6 * t - 15) + 10)
