"""Our figures beside those that a peer had in the same run, with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_RESAMPLED = 2000
_FEWEST = 5  # samples, below which an interval means nothing


@dataclass(frozen=True, slots=True)
class Ratio:
    """Of medians, a peer's over ours, and its 95 % interval; both sides in ``unit``."""

    figure: str
    unit: str
    peer: str
    ours: dict[str, float]  # n, p50, p95
    theirs: dict[str, float]
    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        if not np.isfinite(self.high):
            return f"{_times(self.ratio)}x"
        return f"{_times(self.ratio)}x ({_times(self.low)} … {_times(self.high)})"


def ratios(figures: Sequence[dict[str, Any]]) -> list[Ratio]:
    """For each figure of ours that peers have as well: one to each of them."""
    made = []
    for ours in figures:
        for theirs in figures:
            named_alike = ours["name"] == theirs["name"]
            if named_alike and theirs.get("peer") and not ours.get("peer"):
                made.append(_ratio(ours, theirs))
    return made


def _ratio(ours: dict[str, Any], theirs: dict[str, Any]) -> Ratio:
    low, high = interval(ours["samples"], theirs["samples"])
    mine, other = (
        {name: side[name] for name in ("n", "p50", "p95")} for side in (ours, theirs)
    )
    ratio = theirs["p50"] / ours["p50"] if ours["p50"] > 0 else float("nan")
    return Ratio(
        ours["name"], ours["unit"], theirs["peer"], mine, other, ratio, low, high
    )


def interval(old: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the ratio of medians, new over old."""
    if min(len(old), len(new)) < _FEWEST:
        return 0.0, float("inf")
    chance = np.random.default_rng(1)
    medians = [
        np.median(chance.choice(samples, (_RESAMPLED, len(samples))), axis=1)
        for samples in (np.array(old), np.array(new))
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanpercentile(medians[1] / medians[0], [2.5, 97.5])
    return float(low), float(high)


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
