"""
How well one driver's lips say what is heard, over many clips.

Everything is read off ARKit weights alone, on a grid of 10 ms, and against the times
of phones.  A driver's scale is the 95th percentile of its own opening in speech; lips
are closed where the opening is under a fifth of that.
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
    quiet,
    read_lips,
    spoken,
)
from training.evaluation.reference import CLOSED, reference

CLOSED_BELOW = 0.2  # of the driver's scale
CLOSURE_S = 0.060  # around the middle of P, B or M, in which the lips must meet
OPEN_VOWELS = frozenset({"AA", "AE", "AO", "EH"})
ROUND = frozenset({"UW", "UH", "OW", "OE", "YY", "W", "SH", "CH"})
SPREAD = frozenset({"IY", "IH", "EE", "EH", "AE", "Y"})
_LEAST_VOWEL_S = 0.060
_LAG_S = 0.200  # the most that sound and lips are looked for apart
_LEAST_S = 1.0  # of speech, to say anything about a clip's lag


@dataclass(frozen=True, slots=True)
class Seen:
    """One clip as one driver's lips show it, on the clip's grid."""

    clip: Clip
    track: Track
    lips: Lips
    wanted: Lips
    spoken: Mask
    quiet: Mask


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    Over all clips; shares are 0..1.  Lists hold one value a clip that has one.

    recall      of P, B and M: lips that meet within 60 ms of the closure's middle
    false       of open vowels over 60 ms: lips that meet in the middle half
    chance      the same window anywhere in speech: lips that meet
    correlation of the opening with the reference, pooled: whole, in speech, and in
                speech with the median offset taken out
    rounding    chance that a rounded sound is shown rounder than a spread one
    offset_ms   of the lips after the sound, > 0 late
    motion      in silence, as a share of that in speech; of opening, rounding and bite
    opening     in silence, of the driver's scale
    jerk        of the opening in speech, over that of the reference at the same rate
    """

    closures: list[tuple[str, bool]]  # sound, seen
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
    phones: classes.Agreement  # fitted, one vote a phone

    @property
    def recall(self) -> float:
        return _mean([seen for _, seen in self.closures])

    @property
    def skill(self) -> float:
        """What is left of the recall when chance is taken out."""
        room = 1 - self.chance
        return (self.recall - self.chance) / room if room > 1e-6 else 0.0

    def recall_of(self, sound: str) -> float:
        return _mean([seen for which, seen in self.closures if which == sound])


def judge(clips: Sequence[Clip], tracks: Sequence[Track]) -> Verdict:
    """What the tracks, one a clip, are worth."""
    views = [_view(clip, track) for clip, track in zip(clips, tracks, strict=True)]
    widest = np.concatenate([view.lips.opening[view.spoken] for view in views])
    scale = max(float(np.percentile(widest, 95)), 1e-3)
    long = [view for view in views if view.spoken.sum() * STEP_S >= _LEAST_S]
    lags_ms = [offset_ms(view.lips.opening, view.wanted.opening) for view in long]
    offsets_ms = [each for each in lags_ms if np.isfinite(each)]
    lag = round(float(np.median(offsets_ms)) / 1000 / STEP_S) if offsets_ms else 0
    closures = [_closures(view, scale) for view in views]
    said = [classes.labels(view.clip) for view in views]
    features = [_features(view, scale) for view in views]
    phones = [classes.by_phone(v.clip, f) for v, f in zip(views, features, strict=True)]
    spoken_correlations = [_pearson([_speech(view)]) for view in views]
    return Verdict(
        closures=[each for clip in closures for each in clip],
        recalls=[_mean([seen for _, seen in clip]) for clip in closures if clip],
        false=_mean([each for v in views for each in _false(v, scale)]),
        chance=float(np.concatenate([_near(v, scale)[v.spoken] for v in views]).mean()),
        correlation=_pearson([(v.lips.opening, v.wanted.opening) for v in views]),
        correlation_speech=_pearson([_speech(view) for view in views]),
        correlation_aligned=_pearson([_speech(view, lag) for view in views]),
        correlations=[each for each in spoken_correlations if np.isfinite(each)],
        rounding=_rounding(views),
        offsets_ms=offsets_ms,
        motion=_motion(views),
        opening=_mean(np.concatenate([v.lips.opening[v.quiet] for v in views]) / scale),
        jerk=_jerk(views),
        fixed=classes.fixed(said, features),
        fitted=classes.fitted(said, features),
        phones=classes.fitted([p[0] for p in phones], [p[1] for p in phones]),
    )


def offset_ms(shown: Array, wanted: Array) -> float:
    """
    By how much ``shown`` comes after ``wanted``, both on the grid; within 200 ms.

    NaN where one of them does not move.
    """
    reach = round(_LAG_S / STEP_S)
    fits = [_pearson([(_earlier(shown, n), wanted)]) for n in range(-reach, reach + 1)]
    if not np.isfinite(fits).all():
        return float("nan")
    best = int(np.argmax(fits))
    shift = 0.0
    if 0 < best < 2 * reach:  # the top of a parabola through three
        before, top, after = fits[best - 1 : best + 2]
        bend = before - 2 * top + after
        shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return 1000 * STEP_S * (best - reach + shift)


def _view(clip: Clip, track: Track) -> Seen:
    lips = on_grid(track, clip)
    return Seen(clip, track, lips, reference(clip), spoken(clip), quiet(clip))


def _features(view: Seen, scale: float) -> Array:
    matrix = view.lips.matrix()
    matrix[:, 0] /= scale
    return matrix


def _near(view: Seen, scale: float) -> Mask:
    """Where the lips meet within 60 ms."""
    reach = round(CLOSURE_S / STEP_S)
    closed = view.lips.opening < CLOSED_BELOW * scale
    return np.convolve(closed, np.ones(2 * reach + 1), mode="same") > 0.5


def _closures(view: Seen, scale: float) -> list[tuple[str, bool]]:
    near = _near(view, scale)
    found = []
    for phone in view.clip.phones:
        middle = round((phone.start_s + phone.end_s) / 2 / STEP_S)
        if phone.sound in CLOSED and middle < len(near):
            found.append((phone.sound, bool(near[middle])))
    return found


def _false(view: Seen, scale: float) -> list[bool]:
    closed = view.lips.opening < CLOSED_BELOW * scale
    at = grid(view.clip)
    found = []
    for phone in view.clip.phones:
        length_s = phone.end_s - phone.start_s
        if phone.sound in OPEN_VOWELS and length_s >= _LEAST_VOWEL_S:
            away = np.abs(at - (phone.start_s + phone.end_s) / 2)
            found.append(bool(closed[away <= length_s / 4].any()))
    return found


def _earlier(curve: Array, steps: int) -> Array:
    """Moved to where it would be without a delay of ``steps``; held at the end."""
    places = np.arange(len(curve)) + steps
    moved: Array = curve[places.clip(0, len(curve) - 1)]
    return moved


def _speech(view: Seen, lag: int = 0) -> tuple[Array, Array]:
    shown = _earlier(view.lips.opening, lag)
    return shown[view.spoken], view.wanted.opening[view.spoken]


def _pearson(pairs: Sequence[tuple[Array, Array]]) -> float:
    """NaN where one of the two does not move."""
    shown, wanted = (np.concatenate(each) for each in zip(*pairs, strict=True))
    if len(shown) < 3 or shown.std() < 1e-9 or wanted.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(shown, wanted)[0, 1])


def _rounding(views: Sequence[Seen]) -> float:
    """Area under the ROC curve, at the middles of phones."""
    rounded, spread = [], []
    for view in views:
        for phone in view.clip.phones:
            middle = round((phone.start_s + phone.end_s) / 2 / STEP_S)
            if middle >= len(view.lips.rounding):
                continue
            if phone.sound in ROUND:
                rounded.append(view.lips.rounding[middle])
            elif phone.sound in SPREAD:
                spread.append(view.lips.rounding[middle])
    if not rounded or not spread:
        return float("nan")
    pairs = np.sign(np.array(rounded)[:, None] - np.array(spread))
    return float((pairs.mean() + 1) / 2)


def _motion(views: Sequence[Seen]) -> float:
    still, speaking = [], []
    for view in views:
        shape = np.stack([view.lips.opening, view.lips.rounding, view.lips.bite])
        speed = np.abs(np.gradient(shape, axis=1)).sum(0)
        still.append(speed[view.quiet])
        speaking.append(speed[view.spoken])
    moving = _mean(np.concatenate(speaking))
    return _mean(np.concatenate(still)) / moving if moving > 0 else float("nan")


def _jerk(views: Sequence[Seen]) -> float:
    """Third differences at the driver's own frames, each over its spread."""
    shown, wanted = [], []
    for view in views:
        track = view.track
        at = track.t0_s + np.arange(len(track.faces)) / track.fps
        shown.append(read_lips(track.faces).opening)
        wanted.append(np.interp(at, grid(view.clip), view.wanted.opening))
    return _roughness(shown) / max(_roughness(wanted), 1e-9)


def _roughness(curves: Sequence[Array]) -> float:
    thirds = np.concatenate([np.diff(curve, 3) for curve in curves])
    return float(thirds.std() / max(np.concatenate(curves).std(), 1e-9))


def _mean(values: "Sequence[float] | Array") -> float:
    return float(np.mean(values)) if len(values) else float("nan")
