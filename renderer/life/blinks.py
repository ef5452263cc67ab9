"""
Blinks: when the lids close, and how.

The gaps between blinks are log-normal, as people's are. The pose makes blinks more or
less frequent, and events such as a large glance may start one early.
"""

from dataclasses import dataclass

from renderer.life.easing import smoothstep
from renderer.life.noise import RandomStream, Stream

MIN_INTERVAL_S = 0.8  # between the starts of two blinks, except within a double blink
_MEDIAN_GAP_S, _GAP_SIGMA = 3.7, 0.45
_MIN_GAP_S, _MAX_GAP_S = 1.2, 11.0
_HALF_SHARE, _DOUBLE_SHARE = 0.10, 0.07  # of all blinks


@dataclass(frozen=True, slots=True)
class Blink:
    """One blink: lids close, stay shut, and open."""

    start_s: float
    closing_s: float
    shut_s: float
    opening_s: float
    depth: float  # closure when shut; less than 1 in a half blink

    @property
    def end_s(self) -> float:
        return self.start_s + self.closing_s + self.shut_s + self.opening_s

    def closure(self, at_s: float) -> float:
        """Return how far the lids are closed, 0..1."""
        t = at_s - self.start_s
        if t <= 0:
            return 0.0
        if t < self.closing_s:
            return self.depth * smoothstep(t / self.closing_s)
        left = (self.end_s - at_s) / self.opening_s
        # The exponent makes the last part of the opening slower.
        return self.depth * float(smoothstep(left) ** 1.25)


class Blinks:
    """Blinks of one face. Times must not decrease from call to call."""

    def __init__(self, seed: int) -> None:
        self._rng = RandomStream(seed, Stream.BLINKS)
        # Until the next blink, at rate 1.
        self._gap_left_s = self._rng.uniform(0.8, 3.0)
        self._blinks: list[Blink] = []
        self._last_s = float("-inf")

    def advance(self, at_s: float, elapsed_s: float, rate: float) -> None:
        """Start a blink if one is due. ``rate`` 2 means twice as many blinks."""
        self._gap_left_s -= elapsed_s * rate
        if self._gap_left_s <= 0:
            start_s = at_s + max(self._gap_left_s / rate, -elapsed_s)
            self._begin(max(start_s, self._last_s + MIN_INTERVAL_S))

    def prompt(self, at_s: float, probability: float) -> None:
        """Start a blink at ``at_s`` with this probability, unless one was just now."""
        if self._last_s + MIN_INTERVAL_S <= at_s and self._rng.happens(probability):
            self._begin(at_s)

    def closure(self, at_s: float) -> float:
        """Return how far the lids are closed, 0..1."""
        self._blinks = [blink for blink in self._blinks if at_s < blink.end_s]
        return max((blink.closure(at_s) for blink in self._blinks), default=0.0)

    def _begin(self, start_s: float) -> None:
        rng = self._rng
        self._last_s = start_s
        gap_s = rng.lognormal(_MEDIAN_GAP_S, _GAP_SIGMA)
        self._gap_left_s = min(max(gap_s, _MIN_GAP_S), _MAX_GAP_S)
        is_half = rng.happens(_HALF_SHARE)
        first = self._blink(start_s, rng.uniform(0.4, 0.65) if is_half else 1.0)
        self._blinks.append(first)
        if not is_half and rng.happens(_DOUBLE_SHARE):
            second_s = first.end_s - 0.02
            self._blinks.append(self._blink(second_s, rng.uniform(0.75, 1.0)))
            self._last_s = second_s

    def _blink(self, start_s: float, depth: float) -> Blink:
        rng = self._rng
        closing_s, shut_s = rng.uniform(0.07, 0.095), rng.uniform(0.02, 0.045)
        return Blink(start_s, closing_s, shut_s, rng.uniform(0.15, 0.20), depth)
