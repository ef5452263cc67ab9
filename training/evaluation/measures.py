"""Lip-sync measures of one driver over many clips.

All measures come from ARKit weights on a grid of 10 ms, compared with the times of the
phones.  A driver's scale is the 95th percentile of its own opening in speech.  Lips
count as closed where the opening is below a fifth of the scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation import classes
from training.evaluation.clips import Clip
from training.evaluation.grid import (
    STEP_S,
    Array,
    Lips,
    Mask,
    Track,
    grid,
    on_grid,
    read_lips,
    silence_mask,
    speech_mask,
)
from training.evaluation.reference import CLOSED, reference_lips

CLOSED_SHARE = 0.2  # of the driver's scale
CLOSURE_REACH_S = 0.060  # the lips must meet this near the middle of a P, B or M
OPEN_VOWELS = frozenset({"AA", "AE", "AO", "EH"})
ROUND = frozenset({"UW", "UH", "OW", "OE", "YY", "W", "SH", "CH"})
SPREAD = frozenset({"IY", "IH", "EE", "EH", "AE", "Y"})
_MIN_VOWEL_S = 0.060
_MAX_LAG_S = 0.200  # the range in which the offset of the lips is searched
_MIN_SPEECH_S = 1.0  # a clip with less speech gives no offset
# With less silence in all, one misplaced label decides what is measured in it.
_MIN_SILENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class ClipView:
    """Lips of one driver in one clip, and its reference, on the clip's grid."""

    clip: Clip
    track: Track
    lips: Lips
    target: Lips
    speech: Mask
    silence: Mask


@dataclass(frozen=True, slots=True)
class LipScores:
    """Scores of one driver over all clips.  Shares are 0 to 1; a list has one per clip.

    recall      share of P, B and M where the lips meet within 60 ms of the middle
    false       share of open vowels of 60 ms or more where the lips meet in the middle
                half
    chance      share of all moments in speech where the lips meet within 60 ms
    correlation of the opening with the reference, over all clips: at all times, in
                speech, and in speech with the median offset compensated
    rounding    probability that a rounded phoneme is shown rounder than a spread one
    offsets_ms  delay of the lips after the audio; positive if the lips are late
    motion      speed in silence relative to speech, of opening, rounding and bite;
                NaN if there are less than 2 s of silence
    opening     mean opening in silence, relative to the driver's scale; NaN likewise
    jerk        of the opening, relative to the reference at the same frame rate
    fixed, fitted, phones
                agreement of six mouths; of five, without rest, if there are less than
                2 s of silence
    """

    closures: list[tuple[str, bool]]  # phoneme, and whether the lips met
    recalls: list[float]
    false: float
    chance: float
    correlation: float
    correlation_speech: float
    correlation_aligned: float
    correlations: list[float]
    rounding: float
    offsets_ms: list[float]
    motion: float
    opening: float
    jerk: float
    fixed: classes.Agreement
    fitted: classes.Agreement
    phones: classes.Agreement  # fitted, with one prediction for each phone

    @property
    def recall(self) -> float:
        return _mean([met for _, met in self.closures])

    @property
    def skill(self) -> float:
        """Return the recall corrected for chance: 0 at chance level, 1 if perfect."""
        headroom = 1 - self.chance
        return (self.recall - self.chance) / headroom if headroom > 1e-6 else 0.0

    def recall_of(self, phoneme: str) -> float:
        return _mean([met for name, met in self.closures if name == phoneme])


def score_lips(clips: Sequence[Clip], tracks: Sequence[Track]) -> LipScores:
    """Return the scores of ``tracks``, one for each clip."""
    views = [_view(clip, track) for clip, track in zip(clips, tracks, strict=True)]
    openings = np.concatenate([view.lips.opening[view.speech] for view in views])
    scale = max(float(np.percentile(openings, 95)), 1e-3)
    long = [view for view in views if view.speech.sum() * STEP_S >= _MIN_SPEECH_S]
    lags_ms = [offset_ms(view.lips.opening, view.target.opening) for view in long]
    offsets_ms = [lag_ms for lag_ms in lags_ms if np.isfinite(lag_ms)]
    lag = round(float(np.median(offsets_ms)) / 1000 / STEP_S) if offsets_ms else 0
    closures = [_closures(view, scale) for view in views]
    nearly_closed = [_nearly_closed(view, scale)[view.speech] for view in views]
    silence = np.concatenate([view.lips.opening[view.silence] for view in views])
    enough_silence = len(silence) * STEP_S >= _MIN_SILENCE_S
    in_speech = [_openings_in_speech(view) for view in views]
    aligned = [_openings_in_speech(view, lag) for view in views]
    correlations = [_pearson([pair]) for pair in in_speech]
    labels = [classes.label_grid(view.clip, rests=enough_silence) for view in views]
    features = [_features(view, scale) for view in views]
    phones = [
        classes.label_phones(clip, rows, rests=enough_silence)
        for clip, rows in zip(clips, features, strict=True)
    ]
    return LipScores(
        closures=[closure for clip in closures for closure in clip],
        recalls=[_mean([met for _, met in clip]) for clip in closures if clip],
        false=_mean([met for view in views for met in _false_closures(view, scale)]),
        chance=float(np.concatenate(nearly_closed).mean()),
        correlation=_pearson([(v.lips.opening, v.target.opening) for v in views]),
        correlation_speech=_pearson(in_speech),
        correlation_aligned=_pearson(aligned),
        correlations=[value for value in correlations if np.isfinite(value)],
        rounding=_rounding(views),
        offsets_ms=offsets_ms,
        motion=_motion(views) if enough_silence else float("nan"),
        opening=_mean(silence / scale) if enough_silence else float("nan"),
        jerk=_jerk(views),
        fixed=classes.classify_fixed(labels, features),
        fitted=classes.classify_fitted(labels, features),
        phones=classes.classify_fitted([p[0] for p in phones], [p[1] for p in phones]),
    )


def offset_ms(shown: Array, target: Array) -> float:
    """Return the delay in ms of ``shown`` after ``target``, both on the grid.

    The search range is 200 ms either way.  NaN if a curve is constant.
    """
    reach = round(_MAX_LAG_S / STEP_S)
    fits = [_pearson([(_shifted(shown, n), target)]) for n in range(-reach, reach + 1)]
    if not np.isfinite(fits).all():
        return float("nan")
    best = int(np.argmax(fits))
    shift = 0.0
    if 0 < best < 2 * reach:  # Refine by the vertex of a parabola through three points.
        before, top, after = fits[best - 1 : best + 2]
        bend = before - 2 * top + after
        shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return 1000 * STEP_S * (best - reach + shift)


def _view(clip: Clip, track: Track) -> ClipView:
    lips = on_grid(track, clip)
    masks = speech_mask(clip), silence_mask(clip)
    return ClipView(clip, track, lips, reference_lips(clip), *masks)


def _features(view: ClipView, scale: float) -> Array:
    matrix = view.lips.matrix()
    matrix[:, 0] /= scale
    return matrix


def _nearly_closed(view: ClipView, scale: float) -> Mask:
    """Return where on the grid the lips meet within 60 ms."""
    reach = round(CLOSURE_REACH_S / STEP_S)
    closed = view.lips.opening < CLOSED_SHARE * scale
    return np.convolve(closed, np.ones(2 * reach + 1), mode="same") > 0.5


def _closures(view: ClipView, scale: float) -> list[tuple[str, bool]]:
    near = _nearly_closed(view, scale)
    result = []
    for phone in view.clip.phones:
        middle = round((phone.start_s + phone.end_s) / 2 / STEP_S)
        if phone.phoneme in CLOSED and middle < len(near):
            result.append((phone.phoneme, bool(near[middle])))
    return result


def _false_closures(view: ClipView, scale: float) -> list[bool]:
    closed = view.lips.opening < CLOSED_SHARE * scale
    at = grid(view.clip)
    result = []
    for phone in view.clip.phones:
        length_s = phone.end_s - phone.start_s
        if phone.phoneme in OPEN_VOWELS and length_s >= _MIN_VOWEL_S:
            distance_s = np.abs(at - (phone.start_s + phone.end_s) / 2)
            result.append(bool(closed[distance_s <= length_s / 4].any()))
    return result


def _shifted(curve: Array, steps: int) -> Array:
    """Return ``curve`` moved ``steps`` earlier; the first and last values are held."""
    places = np.arange(len(curve)) + steps
    moved: Array = curve[places.clip(0, len(curve) - 1)]
    return moved


def _openings_in_speech(view: ClipView, lag: int = 0) -> tuple[Array, Array]:
    shown = _shifted(view.lips.opening, lag)
    return shown[view.speech], view.target.opening[view.speech]


def _pearson(pairs: Sequence[tuple[Array, Array]]) -> float:
    """Return the correlation of all pairs together, NaN if one is constant."""
    shown, target = (np.concatenate(curves) for curves in zip(*pairs, strict=True))
    if len(shown) < 3 or shown.std() < 1e-9 or target.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(shown, target)[0, 1])


def _rounding(views: Sequence[ClipView]) -> float:
    """Return the area under the ROC curve of rounding, at the middles of phones."""
    rounded, spread = [], []
    for view in views:
        for phone in view.clip.phones:
            middle = round((phone.start_s + phone.end_s) / 2 / STEP_S)
            if middle >= len(view.lips.rounding):
                continue
            if phone.phoneme in ROUND:
                rounded.append(view.lips.rounding[middle])
            elif phone.phoneme in SPREAD:
                spread.append(view.lips.rounding[middle])
    if not rounded or not spread:
        return float("nan")
    pairs = np.sign(np.array(rounded)[:, None] - np.array(spread))
    return float((pairs.mean() + 1) / 2)


def _motion(views: Sequence[ClipView]) -> float:
    still, speaking = [], []
    for view in views:
        shape = np.stack([view.lips.opening, view.lips.rounding, view.lips.bite])
        speed = np.abs(np.gradient(shape, axis=1)).sum(0)
        still.append(speed[view.silence])
        speaking.append(speed[view.speech])
    moving = _mean(np.concatenate(speaking))
    return _mean(np.concatenate(still)) / moving if moving > 0 else float("nan")


def _jerk(views: Sequence[ClipView]) -> float:
    """Return the opening's roughness relative to the reference's at the same frames."""
    shown, target = [], []
    for view in views:
        track = view.track
        at = track.t0_s + np.arange(len(track.faces)) / track.fps
        shown.append(read_lips(track.faces).opening)
        target.append(np.interp(at, grid(view.clip), view.target.opening))
    return _roughness(shown) / max(_roughness(target), 1e-9)


def _roughness(curves: Sequence[Array]) -> float:
    """Return the deviation of the third differences over that of the values."""
    thirds = np.concatenate([np.diff(curve, 3) for curve in curves])
    return float(thirds.std() / max(np.concatenate(curves).std(), 1e-9))


def _mean(values: "Sequence[float] | Array") -> float:
    return float(np.mean(values)) if len(values) else float("nan")
