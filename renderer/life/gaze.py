"""
Gaze: fixations and saccades, mostly at the viewer.

Directions are in the world, in radians with the signs of the head: (0, 0) is the
camera. The eyes turn against the head, so that the gaze keeps its target while the head
moves.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from renderer.life.easing import smoothstep
from renderer.life.noise import Noise, RandomStream, Stream

Direction = tuple[float, float]  # yaw > 0: right in the image; pitch > 0: up

REACH = (math.radians(22), math.radians(16))  # angles at gazeX = 1 and gazeY = 1
_MAX_GAZE = 0.95  # of gazeX and gazeY
_DEGREE = math.radians(1)
# Directions of the viewer's eyes, to both sides, and of the mouth below.
_EYES_APART, _MOUTH_BELOW = 0.9 * _DEGREE, 1.3 * _DEGREE
_DRIFT, _MICROSACCADE = 0.3 * _DEGREE, 0.35 * _DEGREE
_MICROSACCADE_INTERVAL_S = 0.55


@dataclass(frozen=True, slots=True)
class Habit:
    """Gaze of one pose. Each field is a range."""

    viewer_s: tuple[float, float]  # how long it looks at the viewer
    away_s: tuple[float, float]  # how long it looks away
    aside: tuple[float, float]  # degrees to the side when it looks away
    high: tuple[float, float]  # degrees up when it looks away


HABITS: Mapping[str, Habit] = {
    "idle": Habit((2.5, 6.5), (0.7, 2.0), (4, 13), (-4, 3)),
    "listening": Habit((3.0, 8.0), (0.35, 0.7), (3, 7), (-3, 1.5)),
    "talking": Habit((1.4, 3.8), (0.5, 1.5), (4, 11), (-5, 3)),
    "thinking": Habit((0.3, 0.7), (1.0, 2.3), (6, 12), (3, 8)),
}


class Gaze:
    """Gaze of one face. Times must not decrease from call to call."""

    def __init__(self, seed: int) -> None:
        self._rng = RandomStream(seed, Stream.GAZE)
        self._drift = [
            Noise(seed, stream, ((0.9, 1.0),))
            for stream in (Stream.DRIFT_X, Stream.DRIFT_Y)
        ]
        self._microsaccades = [
            _Microsaccades(seed, stream)
            for stream in (Stream.MICROSACCADES_X, Stream.MICROSACCADES_Y)
        ]
        self._from: Direction = (0.0, 0.0)
        self.target: Direction = (0.0, 0.0)
        self._start_s, self._duration_s = 0.0, 0.02  # of the latest saccade
        self._away = False  # whether it looks away from the viewer
        self._side = self._rng.sign()  # to which it looks away
        self._turn_s: float | None = None  # when it next looks away or back
        self._shift_s = 0.0  # when it next makes a small saccade

    def advance(self, at_s: float, pose: str) -> float:
        """Advance to ``at_s``; return the degrees of a saccade that begins, or 0."""
        if self._turn_s is None:
            self._turn_s = at_s + self._rng.uniform(*HABITS[pose].viewer_s)
            self._shift_s = at_s
        if at_s >= self._turn_s:
            return self._turn(at_s, pose)
        if at_s >= self._shift_s:
            return self._shift(at_s)
        return 0.0

    def direction(self, at_s: float) -> Direction:
        """Return where the eyes point in the world."""
        x, y = self._fixation(at_s)
        drift_x, drift_y = self._drift
        steps_x, steps_y = self._microsaccades
        return (
            x + _DRIFT * drift_x.at(at_s) + steps_x.at(at_s),
            y + _DRIFT * drift_y.at(at_s) + steps_y.at(at_s),
        )

    def look_away(self, at_s: float, after_s: float) -> None:
        """Look away ``after_s`` from now."""
        self._away, self._turn_s = False, at_s + after_s
        self._shift_s = max(self._shift_s, self._turn_s)

    def look_back(self, at_s: float, after_s: float) -> None:
        """Look at the viewer ``after_s`` from now, unless it does already."""
        if self._away or self._turn_s is None:
            self._away, self._turn_s = True, at_s + after_s

    def stay(self, until_s: float) -> None:
        """Do not look away before ``until_s``."""
        if not self._away and self._turn_s is not None:
            self._turn_s = max(self._turn_s, until_s)

    def _turn(self, at_s: float, pose: str) -> float:
        habit, rng = HABITS[pose], self._rng
        self._away = not self._away
        span = habit.away_s if self._away else habit.viewer_s
        self._turn_s = at_s + rng.uniform(*span)
        self._shift_s = at_s + rng.lognormal(1.1, 0.5)
        if not self._away:
            return self._saccade(at_s, self._on_viewer())
        if pose != "thinking" and rng.happens(0.45):
            self._side = -self._side
        aside = self._side * rng.uniform(*habit.aside)
        high = rng.uniform(*habit.high)
        return self._saccade(at_s, (aside * _DEGREE, high * _DEGREE))

    def _shift(self, at_s: float) -> float:
        rng = self._rng
        self._shift_s = at_s + min(max(rng.lognormal(1.1, 0.5), 0.3), 3.0)
        if not self._away:
            return self._saccade(at_s, self._on_viewer())
        x, y = self.target
        x += rng.uniform(-2.0, 2.0) * _DEGREE
        y += rng.uniform(-1.2, 1.2) * _DEGREE
        return self._saccade(at_s, (x, y))

    def _on_viewer(self) -> Direction:
        """Return the direction of one of the viewer's eyes, or of the mouth."""
        choice = self._rng.random()
        if choice < 0.2:
            return 0.0, -_MOUTH_BELOW
        return (_EYES_APART if choice < 0.6 else -_EYES_APART), 0.15 * _DEGREE

    def _fixation(self, at_s: float) -> Direction:
        """Return the direction without drift and microsaccades."""
        share = smoothstep((at_s - self._start_s) / self._duration_s)
        (x, y), (to_x, to_y) = self._from, self.target
        return x + (to_x - x) * share, y + (to_y - y) * share

    def _saccade(self, at_s: float, target: Direction) -> float:
        """Begin a saccade to ``target`` and return its size in degrees."""
        self._from = self._fixation(at_s)
        degrees = math.degrees(math.dist(self._from, target))
        self.target, self._start_s = target, at_s
        self._duration_s = 0.021 + 0.0022 * degrees  # the "main sequence"
        return degrees


class _Microsaccades:
    """Microsaccades along one axis: a tiny step at a random time in each interval."""

    def __init__(self, seed: int, stream: Stream) -> None:
        self._rng = RandomStream(seed, stream)
        self._cell: int | None = None
        self._step_s = 0.0
        self._from = self._to = 0.0

    def at(self, at_s: float) -> float:
        cell = math.floor(at_s / _MICROSACCADE_INTERVAL_S)
        if cell != self._cell:
            self._cell = cell
            size = self._rng.uniform(-_MICROSACCADE, _MICROSACCADE)
            self._from, self._to = self._to, size
            offset = self._rng.uniform(0, 0.9)
            self._step_s = (cell + offset) * _MICROSACCADE_INTERVAL_S
        return self._to if at_s >= self._step_s else self._from


def in_head(direction: Direction, yaw: float, pitch: float) -> Direction:
    """Return gazeX and gazeY of a gaze in the world, for a head with this rotation."""
    x, y = (direction[0] - yaw) / REACH[0], (direction[1] - pitch) / REACH[1]
    return (
        min(max(x, -_MAX_GAZE), _MAX_GAZE),
        min(max(y, -_MAX_GAZE), _MAX_GAZE),
    )
