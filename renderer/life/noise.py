"""Seeded random numbers: independent streams of draws, and smooth noise over time."""

import math
from enum import IntEnum

# SplitMix64 (Steele, Lea and Flood 2014). Streams start at multiples of _STREAM_STEP.
_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15
_STREAM_STEP = 0xD1B54A32D192ED03


class Stream(IntEnum):
    """
    Streams of random numbers, one for each use.

    A different number changes the motion of all seeds. `Noise` uses its number plus
    multiples of 64, so numbers must be below 64.
    """

    LIFE = 0  # choices of `Life` itself: glances, gestures of speech, lip presses
    BLINKS = 1
    GAZE = 2
    DRIFT_X = 3
    DRIFT_Y = 4
    MICROSACCADES_X = 5
    MICROSACCADES_Y = 6
    POSTURE = 8
    SWAY_YAW = 9
    SWAY_PITCH = 10
    SWAY_ROLL = 11
    LEAN_SIDE = 12
    BROW_LIFT = 13
    ASYMMETRY = 14
    SMILE = 15


class RandomStream:
    """Random numbers of one seed and stream; no state is shared."""

    def __init__(self, seed: int, stream: Stream) -> None:
        self._state = _mix(seed ^ stream * _STREAM_STEP)

    def random(self) -> float:
        """Return a float in [0, 1)."""
        self._state = (self._state + _STEP) & _MASK
        return (_mix(self._state) >> 11) / 2**53

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def happens(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random() < probability

    def sign(self) -> int:
        return 1 if self.random() < 0.5 else -1

    def lognormal(self, median: float, sigma: float) -> float:
        radius = math.sqrt(-2 * math.log(1 - self.random()))  # Box-Muller
        return median * math.exp(sigma * radius * math.cos(2 * math.pi * self.random()))


class Noise:
    """
    Smooth noise of one seed and stream: a function of time that does not repeat.

    It is the sum of cubic B-splines through random knots in -1..1, so that speed and
    acceleration are smooth too. Each of ``octaves`` is the seconds between two knots,
    and the share of the sum.
    """

    def __init__(
        self, seed: int, stream: Stream, octaves: tuple[tuple[float, float], ...]
    ) -> None:
        self._octaves = octaves
        self._keys = [
            _mix(seed ^ (stream + 64 * (i + 1)) * _STREAM_STEP)
            for i in range(len(octaves))
        ]
        self._cells: list[int | None] = [None] * len(octaves)  # between two knots
        self._cubics = [(0.0, 0.0, 0.0, 0.0)] * len(octaves)  # of those cells

    def at(self, at_s: float) -> float:
        total = 0.0
        for i, (interval_s, share) in enumerate(self._octaves):
            position = at_s / interval_s
            cell = math.floor(position)
            if cell != self._cells[i]:
                self._cells[i] = cell
                self._cubics[i] = _cubic(*(self._knot(i, cell + n) for n in range(4)))
            a, b, c, d = self._cubics[i]
            t = position - cell
            total += share * (((a * t + b) * t + c) * t + d)
        return total

    def _knot(self, octave: int, number: int) -> float:
        return (_mix(self._keys[octave] + number * _STEP) >> 11) / 2**52 - 1


def _mix(x: int) -> int:
    """Return the SplitMix64 hash of ``x``."""
    x &= _MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return x ^ x >> 31


def _cubic(a: float, b: float, c: float, d: float) -> tuple[float, float, float, float]:
    """
    Return the coefficients of the uniform cubic B-spline between knots b and c.

    The coefficient of the highest power is first; the variable goes from 0 to 1.
    """
    return (
        (d - a + 3 * (b - c)) / 6,
        (a - 2 * b + c) / 2,
        (c - a) / 2,
        (a + 4 * b + c) / 6,
    )
