"""
Budgets: bounds on percentiles of a figure, parsed from text, printed and judged.

docs/budgets.md explains L1 to L8 and T1 to T7: what each measures, why its number, how
to take it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LABELS = {
    "L1": "speech received → first sample and frame submitted, burst",
    "L2": "speech received → each sample and frame submitted, real-time pace",
    "L3": "speech sent → decoded at a subscriber in another process",
    "L4": "audio ahead of video at the subscriber",
    "L5": "interrupt → silence and mouth at rest",
    "L6": "start answered → first frame at the subscriber",
    "L7": "concurrent sessions, and time to render a frame",
    "L8": "drift of audio against video after an hour",
    "T1": "user's last loud sample → avatar's first one, conversation in FULL mode",
    "T2": "time of this server between two providers",
    "T3": "link between gateway and agent process, each way",
    "T4": "Realtime: first audio → first sample and frame submitted",
    "T5": "cause of silence → last spoken sample, conversation",
    "T6": "user's first sample → avatar held",
    "T7": "use of processor and memory by conversations",
}
# Percentiles at which a bound that names none is judged.
_HIGH_PERCENTILE, _LOW_PERCENTILE = 95.0, 5.0

_MINUS = "\N{MINUS SIGN}"
_NUMBER = rf"[-{_MINUS}+]?\d+(?:\.\d+)?"
_AT = r"(?:p(?P<percent>\d+(?:\.\d+)?)\s*)?"
_UNIT = r"\s*[A-Za-zµ%/]*"
_LIMIT = re.compile(rf"{_AT}(?P<sign>[≤≥<>]=?)\s*(?P<value>{_NUMBER}){_UNIT}")
_RANGE = re.compile(
    rf"{_AT}(?P<low>{_NUMBER})\s*(?:\.\.|…)\s*(?P<high>{_NUMBER}){_UNIT}"
)


@dataclass(frozen=True, slots=True)
class Bound:
    """
    Bound on a percentile: at least ``low``, at most ``high``.

    Without a percentile, p95 must be at most ``high`` and p5 at least ``low``: nineteen
    samples of twenty are within the bound.
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
        """Return the percentiles at which the bound is judged, lowest first."""
        if self.percent is not None:
            return [self.percent]
        lowest = [_LOW_PERCENTILE] if self.low is not None else []
        return lowest + ([_HIGH_PERCENTILE] if self.high is not None else [])

    def holds(self, samples: Sequence[float]) -> bool:
        """Return whether the samples keep the bound; a NaN among them breaks it."""
        points = self.points()
        values = np.percentile(samples, [points[0], points[-1]])
        above = self.low is None or values[0] >= self.low
        return bool(above and (self.high is None or values[1] <= self.high))


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds with the label of docs/budgets.md, if any: ``L1 p50 ≤ 15, p99 ≤ 40``."""

    bounds: tuple[Bound, ...]
    label: str = ""

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """Parse a budget; raise `ValueError` with an example if ``text`` is none."""
        match = re.fullmatch(r"([LT]\d+)?\s*(.+)", text.strip())
        parts = match[2].split(",") if match else []
        bounds = [_bound(part.strip()) for part in parts]
        if match is None or None in bounds:
            examples = "'L1 p50 ≤ 15, p99 ≤ 40' or 'L4 -40 .. +15'"
            raise ValueError(f"a budget is like {examples}, not {text!r}")
        return cls(tuple(bound for bound in bounds if bound), match[1] or "")

    @property
    def terms(self) -> str:
        """Bounds as text, without the label."""
        return ", ".join(map(str, self.bounds))

    def __str__(self) -> str:
        return f"{self.label} {self.terms}".strip()

    def met(self, samples: Sequence[float]) -> bool | None:
        """Return whether all bounds hold; None without samples."""
        if not len(samples):
            return None
        return all(bound.holds(samples) for bound in self.bounds)

    def measured(self, samples: Sequence[float]) -> str:
        """Return the measured values of the percentiles that decide, as text."""
        if not len(samples):
            return "nothing"
        if len(samples) == 1:
            return f"{samples[0]:.1f}"
        points = {point for bound in self.bounds for point in bound.points()}
        values = {point: np.percentile(samples, point) for point in sorted(points)}
        return ", ".join(f"p{point:g} {value:.1f}" for point, value in values.items())


def _bound(text: str) -> Bound | None:
    if match := _RANGE.fullmatch(text):
        return Bound(_percent(match), _number(match["low"]), _number(match["high"]))
    if match := _LIMIT.fullmatch(text):
        value = _number(match["value"])
        if match["sign"][0] in "≤<":
            return Bound(_percent(match), high=value)
        return Bound(_percent(match), low=value)
    return None


def _percent(match: re.Match[str]) -> float | None:
    return float(match["percent"]) if match["percent"] else None


def _number(text: str) -> float:
    return float(text.replace(_MINUS, "-"))


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", _MINUS)
