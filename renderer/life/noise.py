"""Seeded chance: draws in a row, and smooth noise over time. No state is shared."""

import math

_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15
_LANE = 0xD1B54A32D192ED03


class RandomStream:
    """Draws of one seed and lane, always the same ones in the same order."""

    def __init__(self, seed: int, lane: int) -> None:
        self._place = _mixed(seed ^ lane * _LANE)

    def draw(self) -> float:
        """0 <= x < 1."""
        self._place = (self._place + _STEP) & _MASK
        return (_mixed(self._place) >> 11) / 2**53

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.draw()

    def happens(self, odds: float) -> bool:
        return self.draw() < odds

    def sign(self) -> int:
        return 1 if self.draw() < 0.5 else -1

    def skewed(self, median: float, spread: float) -> float:
        """Log-normal: half are below ``median``, few are far above it."""
        far = math.sqrt(-2 * math.log(1 - self.draw()))
        return median * math.exp(spread * far * math.cos(2 * math.pi * self.draw()))


class Noise:
    """
    Smooth noise of one seed and lane, -1..1: a function of time, never repeating.

    Cubic B-splines through chance, one for each of ``octaves`` (seconds between two
    knots, share): speed and acceleration are smooth as well.
    """

    def __init__(
        self, seed: int, lane: int, octaves: tuple[tuple[float, float], ...]
    ) -> None:
        self._octaves = octaves
        self._key = [_mixed(seed ^ (lane + 64 * (i + 1)) * _LANE)
                     for i in range(len(octaves))]  # fmt: skip
        self._cell: list[int | None] = [None] * len(octaves)
        self._knots = [(0.0, 0.0, 0.0, 0.0)] * len(octaves)

    def at(self, at_s: float) -> float:
        total = 0.0
        for i, (every_s, share) in enumerate(self._octaves):
            place = at_s / every_s
            cell = math.floor(place)
            if cell != self._cell[i]:
                self._cell[i] = cell
                a, b, c, d = (self._knot(i, cell + n) for n in range(4))
                self._knots[i] = (a, b, c, d)
            total += share * _spline(self._knots[i], place - cell)
        return total

    def _knot(self, octave: int, number: int) -> float:
        mixed = _mixed(self._key[octave] + number * _STEP)
        return (mixed >> 11) / 2**52 - 1


def _mixed(x: int) -> int:
    x &= _MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return x ^ x >> 31


def _spline(knots: tuple[float, float, float, float], t: float) -> float:
    a, b, c, d = knots
    u = 1 - t
    left = 3 * t * t * t - 6 * t * t + 4
    right = 3 * u * u * u - 6 * u * u + 4
    return (u * u * u * a + left * b + right * c + t * t * t * d) / 6
