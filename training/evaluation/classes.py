"""Classification of faces into six mouth shapes, and its agreement with the phones.

The classes and their phonemes: closed P B M | bite F V | round OW UW UH OE YY W SH CH |
wide IY IH EE Y S | open AA AE AO EH | rest: silence of 300 ms or more, 100 ms away from
speech.  Other phonemes take the mouth shape of their neighbours and have no class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluation.clips import Clip
from training.evaluation.grid import STEP_S, Array, grid, silence_mask

CLASSES = ("closed", "bite", "round", "wide", "open", "rest")
_PHONEMES = (
    ("P", "B", "M"),
    ("F", "V"),
    ("OW", "UW", "UH", "OE", "YY", "W", "SH", "CH"),
    ("IY", "IH", "EE", "Y", "S"),
    ("AA", "AE", "AO", "EH"),
)
CLASS_OF = {phoneme: i for i, phonemes in enumerate(_PHONEMES) for phoneme in phonemes}
REST = CLASSES.index("rest")
NO_CLASS = -1
_EDGE_SHARE = 0.2  # of a phone at either end, where the mouth is still moving: no class

# Columns: opening (1 is the driver's own scale), rounding, spread, bite, press.
PROTOTYPES = np.array([
    (0.00, 0.00, 0.00, 0.00, 0.40),
    (0.10, 0.00, 0.00, 0.60, 0.00),
    (0.30, 0.60, 0.00, 0.00, 0.00),
    (0.30, -0.35, 0.35, 0.00, 0.00),
    (0.25, -0.12, 0.12, 0.00, 0.00),  # S, which is wide because of the teeth
    (0.85, 0.00, 0.10, 0.00, 0.00),
    (0.00, 0.00, 0.00, 0.00, 0.00),
])  # fmt: skip
_CLASS_OF_PROTOTYPE = np.array([0, 1, 2, 3, 3, 4, 5])

Labels = npt.NDArray[np.int64]
_RIDGE = 1e-3  # keeps the covariance invertible if a driver never moves a feature
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Agreement:
    """Confusion matrices of all clips: how often class i (row) was predicted as j."""

    confusion: npt.NDArray[np.int64]  # [clips, 6, 6]

    @property
    def _has_labels(self) -> bool:
        return bool(self.confusion.any())

    def by_class(self) -> Array:
        """Return the F1 score of each class ``[6]``, NaN for one that never occurs."""
        scores: Array = _f1(self.confusion.sum(0)[None])[0]
        return scores

    def macro(self) -> float:
        """Return the mean F1 score of the classes that occur, NaN without any label."""
        if not self._has_labels:
            return math.nan
        scores = self.by_class()
        return float(scores[np.isfinite(scores)].mean())

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the macro F1, bootstrapped over clips."""
        count = len(self.confusion)
        if not self._has_labels:
            return math.nan, math.nan
        resamples = np.random.default_rng(1).integers(0, count, (_RESAMPLES, count))
        macros = np.nanmean(_f1(self.confusion[resamples].sum(1)), axis=1)
        low, high = np.nanpercentile(macros, [2.5, 97.5])
        return float(low), float(high)


def label_grid(clip: Clip, *, rests: bool = True) -> Labels:
    """
    Return the true class at each step of the clip's grid, or `NO_CLASS`.

    Without ``rests`` silence has no class.
    """
    at = grid(clip)
    labels = np.full(len(at), NO_CLASS)
    for phone in clip.phones:
        edge_s = _EDGE_SHARE * (phone.end_s - phone.start_s)
        inside = (at >= phone.start_s + edge_s) & (at <= phone.end_s - edge_s)
        labels[inside] = CLASS_OF.get(phone.phoneme, NO_CLASS)
    if rests:
        labels[silence_mask(clip)] = REST
    return labels


def label_phones(
    clip: Clip, features: Array, *, rests: bool = True
) -> tuple[Labels, Array]:
    """
    Return the class of each phone, and the mean features over its middle half.

    Without ``rests`` silence has no class.
    """
    labels, rows = [], []
    still = silence_mask(clip)
    for phone in clip.phones:
        quarter_s = (phone.end_s - phone.start_s) / 4
        first = round((phone.start_s + quarter_s) / STEP_S)
        last = max(first + 1, round((phone.end_s - quarter_s) / STEP_S))
        middle = slice(first, last)
        if not len(features[middle]):
            continue
        at_rest = rests and phone.phoneme == "SIL" and bool(still[middle].all())
        labels.append(REST if at_rest else CLASS_OF.get(phone.phoneme, NO_CLASS))
        rows.append(features[middle].mean(0))
    return np.array(labels, np.int64), np.array(rows).reshape(-1, features.shape[1])


def classify_fixed(labels: Sequence[Labels], features: Sequence[Array]) -> Agreement:
    """Classify by the nearest of `PROTOTYPES`, which are the same for every driver."""
    nearest = [
        _nearest(clip_features, PROTOTYPES, np.eye(clip_features.shape[1]))
        for clip_features in features
    ]
    return _agreement(labels, [_CLASS_OF_PROTOTYPE[index] for index in nearest])


def classify_fitted(labels: Sequence[Labels], features: Sequence[Array]) -> Agreement:
    """Classify by the nearest class mean of the same driver in all other clips.

    The distance is Mahalanobis with one covariance for all classes.  So neither the
    scale nor a bias of the driver counts, only how well its classes can be separated.
    A single clip has no other clips to fit to, so its confusion matrix is 0.
    """
    if len(features) < 2:
        size = len(CLASSES)
        return Agreement(np.zeros((len(features), size, size), np.int64))
    moments = [_moments(*pair) for pair in zip(labels, features, strict=True)]
    counts, sums, squares = map(np.stack, zip(*moments, strict=True))
    predicted = []
    for i, clip_features in enumerate(features):
        count = np.maximum(counts.sum(0) - counts[i], 1e-9)[:, None]
        means = (sums.sum(0) - sums[i]) / count
        between = (means * count).T @ means
        within = (squares.sum(0) - squares[i] - between) / count.sum()
        precision = np.linalg.inv(within + _RIDGE * np.eye(len(within)))
        means[count[:, 0] < 1] = np.inf  # A class without examples is never nearest.
        predicted.append(_nearest(clip_features, means, precision))
    return _agreement(labels, predicted)


def _moments(labels: Labels, features: Array) -> tuple[Array, Array, Array]:
    """Return counts ``[6]``, sums ``[6, 5]`` and the sum of squares ``[5, 5]``."""
    one_hot = (labels[:, None] == np.arange(len(CLASSES))).astype(np.float64)
    labelled = features[labels != NO_CLASS]
    return one_hot.sum(0), one_hot.T @ features, labelled.T @ labelled


def _nearest(features: Array, means: Array, precision: Array) -> Labels:
    difference = features[:, None] - np.where(np.isfinite(means), means, 1e6)
    distance = np.einsum("nci,ij,ncj->nc", difference, precision, difference)
    nearest: Labels = distance.argmin(1)
    return nearest


def _agreement(labels: Sequence[Labels], predicted: Sequence[Labels]) -> Agreement:
    size = len(CLASSES)
    confusion = np.zeros((len(labels), size, size), np.int64)
    for table, true, predicted_labels in zip(confusion, labels, predicted, strict=True):
        labelled = true != NO_CLASS
        np.add.at(table, (true[labelled], predicted_labels[labelled]), 1)
    return Agreement(confusion)


def _f1(confusion: npt.NDArray[np.int64]) -> Array:
    """
    Return F1 scores ``[..., 6]`` of confusion matrices ``[..., 6, 6]``.

    NaN for a class that never occurs, even if it was predicted.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    occurs = confusion.sum(-1)
    total = occurs + confusion.sum(-2)
    with np.errstate(invalid="ignore"):
        return np.where(occurs > 0, 2 * hits / total, np.nan)
