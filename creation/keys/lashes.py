"""
Upper lashes: they point up over the skin of an open lid, and hang below a closed one.

A photo shows only the former. They are taken off the skin while a lid closes, and the
donor's lashes are drawn along its edge in their place.
"""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.fit.camera import project
from creation.images import blur, dilated, grown, linear, polygon, ramp, sample, spread
from creation.keys.donor_pictures import DonorPictures
from creation.keys.head import Head, unit
from creation.keys.lid_line import EYE_RINGS, LidLine, offsets, width_of
from creation.keys.samples import Samples
from creation.keys.view import View
from creation.vision.rings import outline

# Reach of lashes from the edge of the lid, of the eye's width, which is some 30 mm:
# above open lids, below closed ones, and beyond the outer corner. From both donors.
_ABOVE, _BELOW, _BESIDE = 0.20, 0.26, 0.20
_INWARD = 0.02  # beyond the inner corner, where none grows: the nose begins
_ROOTS = 0.05  # the same on the other side of the edge: the dark line of the roots
_FADE = 0.05  # width over which that reach ends
_THICK = 0.09  # largest thickness of a row of lashes in the photo
_BROW_PX = 4  # around a brow, which has no lashes
_CORNER = 0.015  # reach from the edge of the lid at the inner corner
_SLOPE = 1.5  # more of it per width from there
# Light of the skin around, between which a lash begins: brighter is shading.
_SHADE = (0.85, 0.95)
_LEAST = 0.04  # light below lashes, of that of the skin
# What is dark and not thin is shading, no lash: a power of its light. Below a lid the
# shading of two people is partly alike; beyond the outer corner it leaves a patch.
_SHADING, _SHADING_BESIDE = 0.5, 1.0
_LEVEL = 0.43  # blink at which no lash points up any more
# Blinks, how far lashes are there that hang, and their length, of that in a shut eye.
_HANGING = (0.1, 0.25, _LEVEL, 0.83, 1.0)
_THERE, _LENGTH = (0.0, 0.6, 1.0, 1.0, 1.0), (0.3, 0.45, 0.7, 0.7, 1.0)
# Lashes of two people are not in the same places. Where they are unsure, a softer and
# weaker drawing is nearer to both: sigma in pixels, and a power of the light.
_SOFT_PX, _STRENGTH = 0.8, 0.8


def _centres(left: float, top: float, rows: int, columns: int) -> Floats:
    x, y = left + np.arange(columns) + 0.5, top + np.arange(rows) + 0.5
    return np.stack(np.meshgrid(x, y), -1)


def _band(
    line: Floats, points: Floats, top: float, bottom: float, inner_last: bool
) -> Picture:
    """
    Return 1 from ``top`` to ``bottom`` below a line, in its widths, else 0.

    ``inner_last`` says that the inner corner of the eye is at the right end.
    """
    below, beside = offsets(line, points)
    width = width_of(line)
    off = np.maximum(top - below / width, below / width - bottom)
    inner = points[..., 0] > line[-1, 0] if inner_last else points[..., 0] < line[0, 0]
    far = beside / width - np.where(inner, _INWARD, _BESIDE)
    band = np.clip(1 - np.maximum(off, 0) / _FADE, 0, 1)
    band *= np.clip(1 - np.maximum(far, 0) / _FADE, 0, 1)
    return np.asarray(band, np.float32)


def _towards_corner(line: Floats, points: Floats, inner_last: bool) -> Picture:
    """
    Return 1 near the line, and 0 where no lash of an inner corner reaches.

    They are shorter the nearer they are to it; what else is dark there is a fold.
    """
    below, _ = offsets(line, points)
    width = width_of(line)
    x = points[..., 0]
    inward = (line[-1, 0] - x if inner_last else x - line[0, 0]) / width
    reach = _CORNER + _SLOPE * np.maximum(inward, 0)
    off = np.abs(below) / width - reach
    return np.asarray(np.clip(1 - off / (_FADE / 2), 0, 1), np.float32)


@dataclass(frozen=True, slots=True)
class HangingLashes:
    """Lashes of a donor's closed eye, and the line that they hang from."""

    line: LidLine
    at: Floats  # [n, 2]: that line in the donor's picture
    light: Picture  # [h, w, 3]: light that they leave of the skin's
    corner: Floats  # [2]: x, y of its left top corner

    @classmethod
    def of(cls, head: Head, pictures: DonorPictures, name: str) -> "HangingLashes":
        """Compare the lashes of the donor's closed eye with the skin around them."""
        line = LidLine.of(head, name)
        weights = pictures.weights(name)
        shut = int(weights[:, unit("eyeBlink" + name.removeprefix("eye"))].argmax())
        xy, _ = project(head.donor.posed(weights[shut]), head.donor.camera)
        at = line.at(xy, head.donor)
        left, top, right, bottom = pictures.box(name)
        light = linear(pictures.keyframe(name, shut))
        points = _centres(left, top, bottom - top, right - left)
        band = _band(at, points, -_ROOTS, _BELOW, line.inner_last)
        around = (band == 0).astype(np.float32)
        skin = spread(light, around, _BELOW * width_of(at) / 2)
        skin = _with_shading(skin, light, at, points)
        ratio = _no_bluer(np.clip(light / np.maximum(skin, 1e-3), _LEAST, 1))
        band *= 1 - ramp(ratio.mean(-1), *_SHADE)
        band *= _towards_corner(at, points, line.inner_last)
        hanging = blur(1 + (ratio - 1) * band[..., None], _SOFT_PX) ** _STRENGTH
        corner = np.array([left, top], float)
        return cls(line, at, np.asarray(hanging, np.float32), corner)

    def band(self, head: Head, view: View, samples: Samples) -> Picture:
        """Return where lashes may be in a keyframe, ``[h, w]`` 0..1."""
        own = self.line.at(view.xy @ head.upright, head.donor)
        points = samples.grid(samples.at).astype(np.float64) @ head.upright
        return _band(own, points, -_ROOTS, _BELOW, self.line.inner_last)

    @staticmethod
    def taken_off(blink: float) -> float:
        """Return 0..1: how far the photo's lashes are gone from the skin of a lid."""
        return min(1.0, blink / _LEVEL)

    def over(self, head: Head, view: View, points: Floats, blink: float) -> Picture:
        """
        Return the factors ``[N, 3]`` of light at pixels ``[N, 2]`` of a keyframe.

        ``blink`` 0..1 is how far the lid is closed.
        """
        share, length = (np.interp(blink, _HANGING, part) for part in (_THERE, _LENGTH))
        if share <= 0:
            return np.ones((len(points), 3), np.float32)
        own = self.line.at(view.xy @ head.upright, head.donor)
        points = points @ head.upright
        scale = width_of(self.at) / width_of(own)
        below, _ = offsets(own, points)
        x = points[:, 0]
        across = np.interp(x, own[:, 0], self.at[:, 0])
        across += np.minimum(x - own[0, 0], 0) * scale
        across += np.maximum(x - own[-1, 0], 0) * scale
        y = np.interp(across, self.at[:, 0], self.at[:, 1])
        y += below * scale / np.where(below > 0, length, 1)
        factor = sample(self.light, np.stack([across, y], -1) - self.corner)
        # Lashes that are seen shorter lie closer to each other.
        dense = np.where(below > 0, 1 / length, 1) * share
        return np.asarray(factor ** dense[:, None], np.float32)


def _no_bluer(ratio: Floats | Picture) -> Picture:
    """
    Return the light ``[h, w, 3]`` of lashes, of the skin's, in no colder colour.

    Black ones on reddish skin have a bluish ratio, and would be blue on paler skin.
    """
    warm = np.minimum.accumulate(ratio, -1)
    light = ratio.mean(-1, keepdims=True) / warm.mean(-1, keepdims=True)
    return np.asarray(np.minimum(warm * light, 1), np.float32)


def _with_shading(
    skin: Picture, light: Picture, line: Floats, points: Floats
) -> Picture:
    """Return the light of the ``skin`` around lashes with its shading, of a picture."""
    width = width_of(line)
    everywhere = np.ones(light.shape[:2], bool)
    smooth = _without_thin(light, everywhere, max(1, round(_THICK * width)))
    _, beside = offsets(line, points)
    beyond = np.clip(beside / (_FADE * width), 0, 1)[..., None]
    power = _SHADING + (_SHADING_BESIDE - _SHADING) * beyond
    ratio = np.minimum(smooth / np.maximum(skin, 1e-3), 1)
    return np.asarray(skin * ratio**power, np.float32)


def without_lashes(head: Head, light: Picture) -> Picture:
    """Return the plate's light ``[H, W, 3]`` with skin in place of upper lashes."""
    out = light.copy()
    plate, view = head.plate, head.photo_view
    brows = grown(head.brows.whole > 0.1, _BROW_PX).astype(np.float32)
    skin = 1 - blur(brows, _BROW_PX / 2)
    for name, ring in EYE_RINGS.items():
        edge = LidLine.of(head, name)
        line = edge.at(view.xy @ head.upright, head.donor)
        lids = plate.landmarks[outline(ring), :2]
        width = width_of(line)
        both = np.concatenate([line @ head.upright.T, lids])
        low = np.maximum(both.min(0) - width / 2, 0).astype(int)
        high = np.minimum(both.max(0) + width / 2, [plate.width, plate.height])
        columns, rows = high.astype(int) - low
        area = slice(low[1], low[1] + rows), slice(low[0], low[0] + columns)
        points = _centres(low[0], low[1], rows, columns)
        band = _band(line, points @ head.upright, -_ABOVE, _ROOTS, edge.inner_last)
        band *= skin[area]
        closed = ~grown(polygon(lids - low, rows, columns) > 0.1, 2)
        part = light[area]
        filled = _without_thin(part, closed, max(1, round(_THICK * width)))
        out[area] = part + (filled - part) * band[..., None]
    return out


def _without_thin(light: Picture, skin: Mask, pixels: int) -> Picture:
    """
    Return the light ``[h, w, 3]`` without what is dark and thinner than ``pixels``.

    It is a morphological closing of the ``skin``, whose edge is no obstacle.
    """
    known = skin[..., None]
    widest = dilated(np.where(known, light, 0), pixels)
    closed = 1 - dilated(1 - np.where(known, widest, 1), pixels)
    soft = spread(closed, skin.astype(np.float32), max(1.0, pixels / 3))
    return np.asarray(np.maximum(soft, light * known), np.float32)
