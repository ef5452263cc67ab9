"""Mouth: skin that only an open mouth shows, and what lies outside of the mesh."""

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.images import blur, grown, ramp, spread
from creation.keys.fields import Fields
from creation.keys.gains import RIM_M, SkinGains
from creation.keys.head import Head
from creation.keys.samples import Samples

# Metres that lips are apart at which their rim begins to show, and is shown in full.
_PARTED_M = (0.0012, 0.0032)
_DEEP_M = 0.012  # from the lips: skin behind them that lines the mouth
_THROAT_M = 0.022  # from the lips: skin behind them as dark as the throat
_FAR_M = 0.014  # from the lips: farther off are nostrils, which the photo shows best
_LIPS_M = 0.007  # from where they meet: lips that the photo shows
_RIM_LIGHT = 1.1  # light of their rim, of that around it, at most
_LIPS_PX = 5.0  # sigma of what is around it
# linear light of the inside of a cheek, and of a deep mouth
CHEEK = np.array([0.009, 0.0006, 0.0006], np.float32)
THROAT = np.array([0.003, 0.0001, 0.0001], np.float32)
_GLOW_PX, _GLOW = 3.5, 0.6  # sigma and strength of a tongue's light on what is beside
_EDGE_PX = 0.8  # sigma of edges inside of a mouth, as photos show them
_MARGIN_PX = 12  # around parts, for the blurs


def parted(head: Head, gains: SkinGains, vertices: Floats) -> float:
    """Return 0..1: how much of the lips' rim an expression, or the photo, shows."""
    gap = max(
        float(np.linalg.norm(posed[gains.line.above] - posed[gains.line.below], axis=1)
              .mean())
        for posed in (vertices, head.fitted.photo)
    )  # fmt: skip
    low, high = _PARTED_M
    return float(np.clip((gap - low) / (high - low), 0, 1))


def hidden_lips(fields: Fields, samples: Samples, share: float, cheek: Mask) -> Picture:
    """
    Return 0..1 ``[h, w]``: skin that the photo does not show.

    ``share`` is that of the lips' rim, from `parted`; ``cheek`` is from `is_cheek`.
    """
    near = (fields.rim < _FAR_M) | cheek
    hidden = (~fields.seen & near).astype(np.float32)
    rim = np.clip((RIM_M - fields.rim) / (0.5 * RIM_M), 0, 1) * share
    return samples.grid(np.where(fields.skin, np.maximum(hidden, rim), 0))


def around_opening(fields: Fields) -> Mask:
    """Return which samples ``[N]`` are skin close to where the lips meet."""
    near: Mask = fields.skin & (fields.rim < _DEEP_M)
    return near


def is_dark(fields: Fields, samples: Samples) -> Mask:
    """Return which samples ``[N]`` are cheeks from inside, or no surface at all."""
    behind: Mask = fields.skin & ~fields.seen & (fields.rim > _DEEP_M)
    return behind | (samples.triangle < 0)


def between_lips(samples: Samples, lips: Floats) -> Mask:
    """
    Return which samples ``[N]`` lie in the box around the line of the lips.

    ``lips`` ``[n, 2]`` are pixels of vertices at which they meet, first both corners:
    the box is as tilted as the mouth, so that no nostril lies in it.
    """
    along = lips[1] - lips[0]
    along = along / np.linalg.norm(along)
    axes = np.stack([along, [-along[1], along[0]]], 1)
    ends, own = lips @ axes, samples.at @ axes
    inside: Mask = ((own >= ends.min(0)) & (own <= ends.max(0))).all(-1)
    return inside


def is_cheek(fields: Fields, between: Mask) -> Mask:
    """
    Return which samples ``[N]`` show a cheek from inside, between the lips.

    ``between`` ``[N]`` is from `between_lips`.
    """
    deep = fields.skin & ~fields.seen & (fields.rim > _DEEP_M)
    cheek: Mask = between & (deep | ((fields.lining > 0.5) & ~fields.donor_seen))
    return cheek


def made_lips(
    fields: Fields, samples: Samples, gain: np.ndarray, cheek: Mask
) -> Picture:
    """
    Return the light ``[N, 3]`` of skin that the photo does not show: the donor's.

    ``gain`` ``[N, 3]`` is that of the person. Cheeks from inside are dark, and darker
    the deeper: the donor's keyframes show them elsewhere or not at all. The rim of the
    lips is no brighter than the lips: a donor's teeth are beside its own.
    """
    made = fields.donor * gain
    lips = fields.seen & fields.skin & (fields.rim > RIM_M) & (fields.rim < _LIPS_M)
    around = spread(samples.grid(fields.photo), samples.grid(lips), _LIPS_PX)
    own = (fields.rim < RIM_M) | ~fields.seen & (fields.rim < _LIPS_M)
    rim = own[:, None]
    made = np.where(rim, np.minimum(made, _RIM_LIGHT * samples.ungrid(around)), made)
    deep = ramp(fields.rim, _DEEP_M, _THROAT_M)[:, None]
    inner = CHEEK + (THROAT - CHEEK) * deep
    return np.asarray(np.where(cheek[:, None], inner, made), np.float32)


def add_glow(samples: Samples, light: Picture, tongue: Mask, dark: Mask) -> None:
    """
    Add the light that a ``tongue`` ``[N]`` throws on what is ``dark`` ``[N]`` beside.

    Without it, a tongue would end like cut paper. ``light`` ``[N, 3]`` is changed.
    """
    own = np.flatnonzero(tongue[: samples.count])
    if not len(own):
        return
    area = samples.around(own, _MARGIN_PX)
    lit = np.zeros((*samples.shape, 3), np.float32)
    lit.reshape(-1, 3)[own] = light[own]
    lit[area] = _GLOW * blur(lit[area], _GLOW_PX)
    row, column = np.divmod(samples.pixel, samples.shape[1])
    beside = dark & (row >= area[0].start) & (row < area[0].stop)
    chosen = np.flatnonzero(
        beside & (column >= area[1].start) & (column < area[1].stop)
    )
    light[chosen] += lit[row[chosen], column[chosen]]


def soften(picture: Picture, samples: Samples, inside: Mask, part: np.ndarray) -> None:
    """
    Soften the edges of what lies ``inside`` ``[N]`` of a mouth in its ``picture``.

    ``part`` ``[T]`` is the surface number of each triangle. Four samples of a pixel
    leave steps between bright teeth and what is dark or red beside them.
    """
    pixels = np.flatnonzero(inside[: samples.count])
    if not len(pixels):
        return
    area = samples.around(pixels, _MARGIN_PX)
    triangle = samples.triangle[: samples.count].reshape(samples.shape)[area]
    kind = np.where(triangle >= 0, part[np.maximum(triangle, 0)].astype(int), -1)
    edge = np.zeros(kind.shape, np.float32)
    for axis in (0, 1):
        meet = np.diff(kind, axis=axis) != 0
        for side in ((1, 0), (0, 1)):
            pad = [(0, 0), (0, 0)]
            pad[axis] = side
            edge = np.maximum(edge, np.pad(meet, pad))
    crop = picture[area]
    soft = blur(edge, _EDGE_PX)[..., None]
    picture[area] = crop + (blur(crop, _EDGE_PX) - crop) * soft


def is_hole(samples: Samples, between: Mask) -> Mask:
    """
    Return which pixels ``[h, w]`` have holes between the lips: surface on all sides.

    ``between`` ``[N]`` is from `between_lips`.
    """
    hit = np.ones(samples.shape, bool)  # by all samples of the pixel
    hit.flat[samples.pixel[samples.triangle < 0]] = False
    around = ~hit & (samples.grid(between) > 0)
    for axis in (0, 1):
        around &= np.maximum.accumulate(hit, axis)
        around &= np.flip(np.maximum.accumulate(np.flip(hit, axis), axis), axis)
    return grown(around, 1)
