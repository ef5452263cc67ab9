"""What DESIGN asks of a figure: bounds that can be printed and judged."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LABELS = {
    "L1": "speech received → its first sample and frame are in the room",
    "L2": "the same, when speech comes at its own pace",
    "L3": "speech sent → decoded at a subscriber in another process",
    "L4": "sound before picture at the subscriber",
    "L5": "interrupt → silence, and a mouth at rest",
    "L6": "start answered → first frame at the subscriber",
    "L7": "sessions at once, and the time to draw a frame",
    "L8": "sound against picture after an hour",
}
_MOST, _LEAST = 95.0, 5.0  # where a bound without a percentile is held to

_MINUS = "\N{MINUS SIGN}"
_NUMBER = rf"[-{_MINUS}+]?\d+(?:\.\d+)?"
_AT = r"(?:p(?P<percent>\d+(?:\.\d+)?)\s*)?"
_UNIT = r"\s*[A-Za-zµ%/]*"
_ONE = re.compile(rf"{_AT}(?P<sign>[≤≥<>]=?)\s*(?P<value>{_NUMBER}){_UNIT}")
_RANGE = re.compile(
    rf"{_AT}(?P<low>{_NUMBER})\s*(?:\.\.|…)\s*(?P<high>{_NUMBER}){_UNIT}"
)


@dataclass(frozen=True, slots=True)
class Bound:
    """
    At least ``low``, at most ``high``, at a percentile.

    Without a percentile it is held to for nineteen samples of twenty: p95 is below
    ``high``, p5 above ``low``.
    """

    percent: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        at = "" if self.percent is None else f"p{self.percent:g} "
        if self.low is not None and self.high is not None:
            return f"{at}{_signed(self.low)} … {_signed(self.high)}"
        if self.low is not None:
            return f"{at}≥ {self.low:g}"
        return f"{at}≤ {self.high:g}"

    def points(self) -> list[float]:
        """The percentiles that it is judged by."""
        if self.percent is not None:
            return [self.percent]
        lowest = [_LEAST] if self.low is not None else []
        return lowest + ([_MOST] if self.high is not None else [])

    def holds(self, samples: Sequence[float]) -> bool:
        """A sample that is not a number (nothing came) breaks it."""
        points = self.points()
        values = np.percentile(samples, [points[0], points[-1]])
        above = self.low is None or values[0] >= self.low
        return bool(above and (self.high is None or values[1] <= self.high))


@dataclass(frozen=True, slots=True)
class Budget:
    """``L1 p50 ≤ 15, p99 ≤ 40``: a label of DESIGN's table, if any, and its bounds."""

    bounds: tuple[Bound, ...]
    label: str = ""

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """`ValueError` says what a budget looks like."""
        found = re.fullmatch(r"(L\d+)?\s*(.+)", text.strip())
        bounds = [_bound(part.strip()) for part in found[2].split(",")] if found else []
        if found is None or None in bounds:
            wanted = "'L1 p50 ≤ 15, p99 ≤ 40' or 'L4 -40 .. +15'"
            raise ValueError(f"a budget is like {wanted}, not {text!r}")
        return cls(tuple(bound for bound in bounds if bound), found[1] or "")

    @property
    def terms(self) -> str:
        return ", ".join(map(str, self.bounds))

    def __str__(self) -> str:
        return f"{self.label} {self.terms}".strip()

    def met(self, samples: Sequence[float]) -> bool | None:
        """None when there is nothing to judge."""
        if not len(samples):
            return None
        return all(bound.holds(samples) for bound in self.bounds)

    def measured(self, samples: Sequence[float]) -> str:
        """The percentiles that decide, as they are."""
        if not len(samples):
            return "nothing"
        if len(samples) == 1:
            return f"{samples[0]:.1f}"
        points = {point for bound in self.bounds for point in bound.points()}
        values = {point: np.percentile(samples, point) for point in sorted(points)}
        return ", ".join(f"p{point:g} {value:.1f}" for point, value in values.items())


def _bound(text: str) -> Bound | None:
    if ranged := _RANGE.fullmatch(text):
        return Bound(_percent(ranged), _number(ranged["low"]), _number(ranged["high"]))
    if one := _ONE.fullmatch(text):
        value = _number(one["value"])
        if one["sign"][0] in "≤<":
            return Bound(_percent(one), high=value)
        return Bound(_percent(one), low=value)
    return None


def _percent(found: re.Match[str]) -> float | None:
    return float(found["percent"]) if found["percent"] else None


def _number(text: str) -> float:
    return float(text.replace(_MINUS, "-"))


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", _MINUS)
