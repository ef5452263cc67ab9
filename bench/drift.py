"""How fast something moves: a robust slope with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_RESAMPLED = 400
_MOST = 100  # points: every pair of them is looked at
_FEWEST = 6

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slope:
    """A unit a unit of time, with the interval that holds it with 95 %."""

    middle: float
    low: float
    high: float

    def beyond(self, limit: float) -> bool:
        """Certainly steeper than ``limit``, either way."""
        return self.low > limit or self.high < -limit


def slope(at: Sequence[float], values: Sequence[float]) -> Slope | None:
    """
    Theil-Sen: the median slope of all pairs; None of too few points.

    The interval is a bootstrap of runs of neighbours, which are alike: a jitter
    buffer that grew stays so for a while, and that is not a drift.
    """
    if len(at) < _FEWEST:
        return None
    times, levels = _thinned(np.array(at, float), np.array(values, float))
    slopes = _pairs(times, levels)
    chance, count = np.random.default_rng(1), len(times)
    run = round(np.sqrt(count))
    middles = []
    for _ in range(_RESAMPLED):
        begins = chance.integers(0, count - run + 1, -(-count // run))
        chosen = (begins[:, None] + np.arange(run)).ravel()[:count]
        middles.append(np.nanmedian(slopes[np.ix_(chosen, chosen)]))
    low, high = np.nanpercentile(middles, [2.5, 97.5])
    return Slope(float(np.nanmedian(slopes)), float(low), float(high))


def _pairs(times: Array, levels: Array) -> Array:
    """The slope between each two points ``[n, n]``; of one with itself, none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (levels[:, None] - levels) / (times[:, None] - times)
    found[~np.isfinite(found)] = np.nan
    return np.asarray(found, float)


def _thinned(times: Array, levels: Array) -> tuple[Array, Array]:
    """Medians of neighbours, when there are more points than are needed."""
    edges = np.linspace(0, len(times), min(len(times), _MOST) + 1).astype(int)
    runs = [slice(*edge) for edge in pairwise(edges)]
    return (
        np.array([np.median(times[run]) for run in runs]),
        np.array([np.median(levels[run]) for run in runs]),
    )
