"""Robust slope of a series over time, with a confidence interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_RESAMPLES = 400
_MAX_POINTS = 100  # Theil-Sen compares every pair of points
_MIN_POINTS = 6

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slope:
    """Change per unit of time, with its 95 % interval ``low`` to ``high``."""

    middle: float
    low: float
    high: float

    def exceeds(self, limit: float) -> bool:
        """Return whether the whole interval is steeper than ``limit``, up or down."""
        return self.low > limit or self.high < -limit


def slope(at: Sequence[float], values: Sequence[float]) -> Slope | None:
    """
    Return the Theil-Sen slope of ``values`` over ``at``; None below six points.

    The interval is a moving-block bootstrap, which resamples runs of neighbours:
    neighbours are correlated, because a jitter buffer that has grown stays large for a
    while, and that is no drift. More than 100 points are reduced to medians of runs.
    """
    if len(at) < _MIN_POINTS:
        return None
    from scipy import stats  # takes a second, for which --help does not wait

    times, levels = _thin(np.array(at, float), np.array(values, float))
    count = len(times)
    block = round(np.sqrt(count))
    blocks = -(-count // block)

    def resampled_slope(starts: npt.NDArray[np.int64]) -> float:
        chosen = (starts[:blocks, None] + np.arange(block)).ravel()[:count]
        return _theil_sen(times[chosen], levels[chosen])

    result = stats.bootstrap(
        (np.arange(count - block + 1),),  # where a block may start
        resampled_slope,
        n_resamples=_RESAMPLES,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(1),
    )
    low, high = np.nanpercentile(result.bootstrap_distribution, [2.5, 97.5])
    return Slope(_theil_sen(times, levels), float(low), float(high))


def _theil_sen(times: Array, levels: Array) -> float:
    from scipy import stats

    return float(stats.theilslopes(levels, times).slope)


def _thin(times: Array, levels: Array) -> tuple[Array, Array]:
    """Return at most 100 points: medians of runs of neighbours."""
    edges = np.linspace(0, len(times), min(len(times), _MAX_POINTS) + 1).astype(int)
    runs = [slice(*edge) for edge in pairwise(edges)]
    return (
        np.array([np.median(times[run]) for run in runs]),
        np.array([np.median(levels[run]) for run in runs]),
    )
