"""Ratios of a peer's figures to ours in the same run, with confidence intervals."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_RESAMPLES = 2000
_MIN_SAMPLES = 5  # with fewer a bootstrap interval means nothing


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ratio of medians, peer / ours, with its 95 % interval; numbers in ``unit``."""

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
    """Return a ratio for each figure of ours and each peer that has it as well."""
    return [
        _ratio(ours, theirs)
        for ours in figures
        for theirs in figures
        if ours["name"] == theirs["name"]
        and theirs.get("peer")
        and not ours.get("peer")
    ]


def _ratio(ours: dict[str, Any], theirs: dict[str, Any]) -> Ratio:
    low, high = interval(ours["samples"], theirs["samples"])
    our_numbers, their_numbers = (
        {name: side[name] for name in ("n", "p50", "p95")} for side in (ours, theirs)
    )
    ratio = theirs["p50"] / ours["p50"] if ours["p50"] > 0 else float("nan")
    return Ratio(
        *(ours["name"], ours["unit"], theirs["peer"]),
        *(our_numbers, their_numbers),
        *(ratio, low, high),
    )


def interval(old: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """
    Return the 95 % percentile bootstrap interval of median(new) / median(old).

    Resamples that contain a NaN (nothing was measured) are left out. With fewer than
    five samples on a side the interval is (0, infinity).
    """
    if min(len(old), len(new)) < _MIN_SAMPLES:
        return 0.0, float("inf")
    from scipy import stats  # takes a second, for which --help does not wait

    # A median of 0, or a NaN among the samples, gives resamples that are no numbers.
    with (
        np.errstate(divide="ignore", invalid="ignore"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            (np.asarray(old, float), np.asarray(new, float)),
            _median_ratio,
            n_resamples=_RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(1),
        )
        resampled = result.bootstrap_distribution
        if np.isnan(resampled).all():
            return float("nan"), float("nan")
        low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return float(low), float(high)


def _median_ratio(
    old: npt.NDArray[np.float64], new: npt.NDArray[np.float64], axis: int
) -> npt.NDArray[np.float64]:
    return np.asarray(np.median(new, axis=axis) / np.median(old, axis=axis))


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
