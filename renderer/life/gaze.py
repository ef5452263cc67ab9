"""
Where a face looks: holds and saccades, mostly at the viewer.

Directions are in the world, in radians as the head's: (0, 0) is the camera.  The eyes
turn against the head, so that what is looked at stays looked at.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from renderer.life.noise import Noise, RandomStream

Direction = tuple[float, float]  # yaw > 0 to the picture's right, pitch > 0 up

REACH = (math.radians(22), math.radians(16))  # of gazeX and gazeY at 1
_FARTHEST = 0.95
_DEGREE = math.radians(1)
_EYES_APART, _MOUTH_BELOW = 0.9 * _DEGREE, 1.3 * _DEGREE  # of who looks at the face
_DRIFT, _TREMOR = 0.3 * _DEGREE, 0.35 * _DEGREE
_TREMOR_EVERY_S = 0.55


@dataclass(frozen=True, slots=True)
class Habit:
    """How one pose looks: seconds and degrees."""

    viewer_s: tuple[float, float]  # at the viewer, from time to time
    away_s: tuple[float, float]
    aside: tuple[float, float]
    high: tuple[float, float]


HABITS: Mapping[str, Habit] = {
    "idle": Habit((2.5, 6.5), (0.7, 2.0), (4, 13), (-4, 3)),
    "listening": Habit((3.0, 8.0), (0.35, 0.7), (3, 7), (-3, 1.5)),
    "talking": Habit((1.4, 3.8), (0.5, 1.5), (4, 11), (-5, 3)),
    "thinking": Habit((0.3, 0.7), (1.0, 2.3), (6, 12), (3, 8)),
}


class Gaze:
    """The gaze of one face. Ask for moments in their order."""

    def __init__(self, seed: int) -> None:
        self._chance = RandomStream(seed, 2)
        self._drift = (Noise(seed, 3, ((0.9, 1.0),)), Noise(seed, 4, ((0.9, 1.0),)))
        self._tremor = (_Tremor(seed, 5), _Tremor(seed, 6))
        self._from: Direction = (0.0, 0.0)
        self.target: Direction = (0.0, 0.0)
        self._start_s, self._takes_s = 0.0, 0.02
        self._away = False
        self._side = self._chance.sign()
        self._turn_s: float | None = None  # when it leaves the viewer or comes back
        self._shift_s = 0.0  # when it moves a little

    def advance(self, at_s: float, pose: str) -> float:
        """Go on to ``at_s``; degrees of a saccade that begins there, or 0."""
        if self._turn_s is None:
            self._turn_s = at_s + self._chance.between(*HABITS[pose].viewer_s)
            self._shift_s = at_s
        if at_s >= self._turn_s:
            return self._turn(at_s, pose)
        if at_s >= self._shift_s:
            return self._shift(at_s)
        return 0.0

    def look(self, at_s: float) -> Direction:
        """Where the eyes point in the world."""
        x, y = self._fixed(at_s)
        drift_x, drift_y = (_DRIFT * noise.at(at_s) for noise in self._drift)
        tremor_x, tremor_y = (each.at(at_s) for each in self._tremor)
        return x + drift_x + tremor_x, y + drift_y + tremor_y

    def leave(self, at_s: float, after_s: float) -> None:
        """Look away soon."""
        self._away, self._turn_s = False, at_s + after_s
        self._shift_s = max(self._shift_s, self._turn_s)

    def come_back(self, at_s: float, after_s: float) -> None:
        """Look at the viewer soon, or go on doing so."""
        if self._away or self._turn_s is None:
            self._away, self._turn_s = True, at_s + after_s

    def hold(self, until_s: float) -> None:
        """Do not leave the viewer before."""
        if not self._away and self._turn_s is not None:
            self._turn_s = max(self._turn_s, until_s)

    def _turn(self, at_s: float, pose: str) -> float:
        habit, chance = HABITS[pose], self._chance
        self._away = not self._away
        span = habit.away_s if self._away else habit.viewer_s
        self._turn_s = at_s + chance.between(*span)
        self._shift_s = at_s + chance.skewed(1.1, 0.5)
        if not self._away:
            return self._go(at_s, self._on_viewer())
        if pose != "thinking" and chance.happens(0.45):
            self._side = -self._side
        aside = self._side * chance.between(*habit.aside)
        return self._go(at_s, (aside * _DEGREE, chance.between(*habit.high) * _DEGREE))

    def _shift(self, at_s: float) -> float:
        chance = self._chance
        self._shift_s = at_s + min(max(chance.skewed(1.1, 0.5), 0.3), 3.0)
        if not self._away:
            return self._go(at_s, self._on_viewer())
        x, y = self.target
        x += chance.between(-2.0, 2.0) * _DEGREE
        y += chance.between(-1.2, 1.2) * _DEGREE
        return self._go(at_s, (x, y))

    def _on_viewer(self) -> Direction:
        """One eye, the other, or the mouth."""
        where = self._chance.draw()
        if where < 0.2:
            return 0.0, -_MOUTH_BELOW
        return (_EYES_APART if where < 0.6 else -_EYES_APART), 0.15 * _DEGREE

    def _fixed(self, at_s: float) -> Direction:
        t = min(max((at_s - self._start_s) / self._takes_s, 0.0), 1.0)
        moved = t * t * (3 - 2 * t)
        (x, y), (to_x, to_y) = self._from, self.target
        return x + (to_x - x) * moved, y + (to_y - y) * moved

    def _go(self, at_s: float, target: Direction) -> float:
        self._from = self._fixed(at_s)
        far = math.degrees(math.dist(self._from, target))
        self.target, self._start_s = target, at_s
        self._takes_s = 0.021 + 0.0022 * far  # the main sequence
        return far


class _Tremor:
    """Microsaccades: a tiny step now and then, and back."""

    def __init__(self, seed: int, lane: int) -> None:
        self._chance = RandomStream(seed, lane)
        self._cell: int | None = None
        self._step_s = 0.0
        self._from = self._to = 0.0

    def at(self, at_s: float) -> float:
        cell = math.floor(at_s / _TREMOR_EVERY_S)
        if cell != self._cell:
            self._cell = cell
            self._from, self._to = self._to, self._chance.between(-_TREMOR, _TREMOR)
            self._step_s = (cell + self._chance.between(0, 0.9)) * _TREMOR_EVERY_S
        return self._to if at_s >= self._step_s else self._from


def in_head(look: Direction, yaw: float, pitch: float) -> Direction:
    """gazeX and gazeY that look there from a head so turned."""
    x, y = (look[0] - yaw) / REACH[0], (look[1] - pitch) / REACH[1]
    return (
        min(max(x, -_FARTHEST), _FARTHEST),
        min(max(y, -_FARTHEST), _FARTHEST),
    )
