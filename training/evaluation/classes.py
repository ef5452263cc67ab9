"""
Which of six mouths a viewer would say a face shows, and how often that is what is said.

closed P B M | bite F V | round OW UW UH OE YY W SH CH | wide IY IH EE Y S |
open AA AE AO EH | rest: silence of 300 ms or more, 100 ms from speech.
Other sounds take their mouth from their neighbours and are not asked about.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluation.clips import Clip
from training.evaluation.grid import STEP_S, Array, grid, quiet

CLASSES = ("closed", "bite", "round", "wide", "open", "rest")
_SOUNDS = (
    ("P", "B", "M"),
    ("F", "V"),
    ("OW", "UW", "UH", "OE", "YY", "W", "SH", "CH"),
    ("IY", "IH", "EE", "Y", "S"),
    ("AA", "AE", "AO", "EH"),
)
CLASS_OF = {sound: i for i, sounds in enumerate(_SOUNDS) for sound in sounds}
REST = CLASSES.index("rest")
NONE = -1
_INSIDE = 0.2  # of a phone, at either end, belongs to the way to and from it

# Opening (1 is the driver's own widest), rounding, spread, bite, press.
PROTOTYPES = np.array([
    (0.00, 0.00, 0.00, 0.00, 0.40),
    (0.10, 0.00, 0.00, 0.60, 0.00),
    (0.30, 0.60, 0.00, 0.00, 0.00),
    (0.30, -0.35, 0.35, 0.00, 0.00),
    (0.25, -0.12, 0.12, 0.00, 0.00),  # wide by its teeth: S
    (0.85, 0.00, 0.10, 0.00, 0.00),
    (0.00, 0.00, 0.00, 0.00, 0.00),
])  # fmt: skip
_CLASS_OF_PROTOTYPE = np.array([0, 1, 2, 3, 3, 4, 5])

Labels = npt.NDArray[np.int64]
_RIDGE = 1e-3  # keeps a feature that a driver never moves from dividing by zero
_RESAMPLED = 1000


@dataclass(frozen=True, slots=True)
class Agreement:
    """Per clip, how often class i (row) was shown as class j."""

    confusion: npt.NDArray[np.int64]  # [clips, 6, 6]

    @property
    def _asked(self) -> bool:
        return bool(self.confusion.any())

    def by_class(self) -> Array:
        """F1 of each class ``[6]``; NaN for one that is neither said nor shown."""
        scores: Array = _f1(self.confusion.sum(0)[None])[0]
        return scores

    def macro(self) -> float:
        """NaN where nothing was asked."""
        scores = self.by_class()
        return float(scores[np.isfinite(scores)].mean()) if self._asked else math.nan

    def interval(self) -> tuple[float, float]:
        """95 % of the macro-F1, by drawing clips anew."""
        count = len(self.confusion)
        if not self._asked:
            return math.nan, math.nan
        drawn = np.random.default_rng(1).integers(0, count, (_RESAMPLED, count))
        macros = np.nanmean(_f1(self.confusion[drawn].sum(1)), axis=1)
        low, high = np.nanpercentile(macros, [2.5, 97.5])
        return float(low), float(high)


def labels(clip: Clip) -> Labels:
    """The class that is said at each step of the clip's grid, or `NONE`."""
    at = grid(clip)
    said = np.full(len(at), NONE)
    for phone in clip.phones:
        edge_s = _INSIDE * (phone.end_s - phone.start_s)
        inside = (at >= phone.start_s + edge_s) & (at <= phone.end_s - edge_s)
        said[inside] = CLASS_OF.get(phone.sound, NONE)
    said[quiet(clip)] = REST
    return said


def by_phone(clip: Clip, features: Array) -> tuple[Labels, Array]:
    """One row a phone: its class, and the mean of ``features`` over its middle half."""
    said, rows = [], []
    still = quiet(clip)
    for phone in clip.phones:
        quarter_s = (phone.end_s - phone.start_s) / 4
        first = round((phone.start_s + quarter_s) / STEP_S)
        last = max(first + 1, round((phone.end_s - quarter_s) / STEP_S))
        middle = slice(first, last)
        if not len(features[middle]):
            continue
        at_rest = phone.sound == "SIL" and bool(still[middle].all())
        said.append(REST if at_rest else CLASS_OF.get(phone.sound, NONE))
        rows.append(features[middle].mean(0))
    return np.array(said, np.int64), np.array(rows).reshape(-1, features.shape[1])


def fixed(said: Sequence[Labels], features: Sequence[Array]) -> Agreement:
    """The nearest of `PROTOTYPES`, the same for every driver."""
    nearest = [_nearest(each, PROTOTYPES, np.eye(each.shape[1])) for each in features]
    return _agreement(said, [_CLASS_OF_PROTOTYPE[each] for each in nearest])


def fitted(said: Sequence[Labels], features: Sequence[Array]) -> Agreement:
    """
    The nearest class as this driver shows it in all the other clips.

    Means of its own and one shared covariance: neither scale nor habit counts, only
    whether its classes can be told apart.  One clip alone has no others to tell by.
    """
    if len(features) < 2:
        size = len(CLASSES)
        return Agreement(np.zeros((len(features), size, size), np.int64))
    moments = [_moments(*each) for each in zip(said, features, strict=True)]
    counts, sums, squares = (
        np.stack([each[part] for each in moments]) for part in range(3)
    )
    shown = []
    for i, each in enumerate(features):
        count = np.maximum(counts.sum(0) - counts[i], 1e-9)[:, None]
        means = (sums.sum(0) - sums[i]) / count
        between = (means * count).T @ means
        within = (squares.sum(0) - squares[i] - between) / count.sum()
        precision = np.linalg.inv(within + _RIDGE * np.eye(len(within)))
        means[count[:, 0] < 1] = np.inf  # nothing is near a class never seen
        shown.append(_nearest(each, means, precision))
    return _agreement(said, shown)


def _moments(said: Labels, features: Array) -> tuple[Array, Array, Array]:
    one_hot = (said[:, None] == np.arange(len(CLASSES))).astype(np.float64)
    asked = features[said != NONE]
    return one_hot.sum(0), one_hot.T @ features, asked.T @ asked


def _nearest(features: Array, means: Array, precision: Array) -> Labels:
    away = features[:, None] - np.where(np.isfinite(means), means, 1e6)
    distance = np.einsum("nci,ij,ncj->nc", away, precision, away)
    nearest: Labels = distance.argmin(1)
    return nearest


def _agreement(said: Sequence[Labels], shown: Sequence[Labels]) -> Agreement:
    size = len(CLASSES)
    confusion = np.zeros((len(said), size, size), np.int64)
    for table, truth, guess in zip(confusion, said, shown, strict=True):
        asked = truth != NONE
        np.add.at(table, (truth[asked], guess[asked]), 1)
    return Agreement(confusion)


def _f1(confusion: npt.NDArray[np.int64]) -> Array:
    """``[..., 6, 6]`` -> ``[..., 6]``"""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    both = confusion.sum(-1) + confusion.sum(-2)
    with np.errstate(invalid="ignore"):
        return np.where(both > 0, 2 * right / both, np.nan)
