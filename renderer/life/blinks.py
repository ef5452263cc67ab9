"""
When the lids close, and how.

Gaps are log-normal as people's are; what a face is doing makes them come faster or
slower, and moments where people like to blink may bring one forward.
"""

from dataclasses import dataclass

from renderer.life.noise import RandomStream

LEAST_APART_S = 0.8  # begins of two blinks, those of a double blink aside
_MEDIAN_S, _SPREAD = 3.7, 0.45
_LEAST_GAP_S, _MOST_GAP_S = 1.2, 11.0
_HALF, _DOUBLE = 0.10, 0.07  # share of blinks


@dataclass(frozen=True, slots=True)
class Blink:
    start_s: float
    closing_s: float
    shut_s: float
    opening_s: float
    depth: float

    @property
    def over_s(self) -> float:
        return self.start_s + self.closing_s + self.shut_s + self.opening_s

    def closed(self, at_s: float) -> float:
        """How far the lids are closed, 0..1."""
        t = at_s - self.start_s
        if t <= 0:
            return 0.0
        if t < self.closing_s:
            return self.depth * _eased(t / self.closing_s)
        left = (self.over_s - at_s) / self.opening_s
        # The last of the way takes longest.
        return self.depth * float(_eased(min(max(left, 0.0), 1.0)) ** 1.25)


class Blinks:
    """The lids of one face. Ask for moments in their order."""

    def __init__(self, seed: int) -> None:
        self._chance = RandomStream(seed, 1)
        self._left_s = self._chance.between(0.8, 3.0)  # to the next one, at pace 1
        self._blinks: list[Blink] = []
        self._last_s = float("-inf")

    def advance(self, at_s: float, passed_s: float, pace: float) -> None:
        """``pace``: of the time from blink to blink; 1 is a face that looks about."""
        self._left_s -= passed_s * pace
        if self._left_s <= 0:
            start_s = at_s + max(self._left_s / pace, -passed_s)
            self._begin(max(start_s, self._last_s + LEAST_APART_S))

    def prompt(self, at_s: float, odds: float) -> None:
        """A moment at which people like to blink; ``at_s`` is not past."""
        if self._last_s + LEAST_APART_S <= at_s and self._chance.happens(odds):
            self._begin(at_s)

    def closed(self, at_s: float) -> float:
        self._blinks = [blink for blink in self._blinks if at_s < blink.over_s]
        return max((blink.closed(at_s) for blink in self._blinks), default=0.0)

    def _begin(self, start_s: float) -> None:
        chance = self._chance
        self._last_s = start_s
        gap_s = chance.skewed(_MEDIAN_S, _SPREAD)
        self._left_s = min(max(gap_s, _LEAST_GAP_S), _MOST_GAP_S)
        half = chance.happens(_HALF)
        first = self._blink(start_s, chance.between(0.4, 0.65) if half else 1.0)
        self._blinks.append(first)
        if not half and chance.happens(_DOUBLE):
            again_s = first.over_s - 0.02
            self._blinks.append(self._blink(again_s, chance.between(0.75, 1.0)))
            self._last_s = again_s

    def _blink(self, start_s: float, depth: float) -> Blink:
        chance = self._chance
        closing_s, shut_s = chance.between(0.07, 0.095), chance.between(0.02, 0.045)
        return Blink(start_s, closing_s, shut_s, chance.between(0.15, 0.20), depth)


def _eased(t: float) -> float:
    return t * t * (3 - 2 * t)
