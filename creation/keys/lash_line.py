"""
Lash line: the dark edge of an upper lid, from which lashes grow.

It stays at the edge while a lid closes. In a half shut eye it is widest, because lashes
point at the camera then; in a shut one they hang below it, and show the lid's skin.
"""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.images import sample
from creation.keys.head import Head
from creation.keys.lid_line import LidLine, offsets, width_of
from creation.keys.view import View

# Of the width of the lid's edge, which is some 30 mm. Measured at both donors and five
# rendered people.
_ACROSS = (0.2, 0.8)  # part of the edge of which the photo's line is measured
_COLUMNS = 40
_AT_EDGE, _AROUND = (-0.06, 0.06), (-0.2, 0.6)  # rows: of the line, with skin around
_ROW = 0.01
_SKIN = 90  # percentile of the light of those rows that is skin
# Lids of two people are not at the same pixels: a softer line is nearer to the truth.
_STRENGTH = 0.35  # power of the line's light
_LEAST, _MOST = 0.04, 0.6  # light of a line, of that of the skin
_BLINKS = (0.25, 0.5)  # at which the line has these measures
_MIDDLE = (0.02, 0.035)  # distance below the edge
_ABOVE, _BELOW = (0.03, 0.04), (0.025, 0.03)  # how far it reaches from there
_INNER, _OUTER = 0.2, 0.1  # length over which it ends in the corners
_BEYOND = 0.05  # where it ends outside of the outer corner
# How strong the line is by the blink. Between closed lids, where an eyeball shows, it
# stays as it is.
_SHUTTING, _SEEN = (0.0, 0.25, 0.5, 0.72, 0.88), (0.0, 1.0, 1.0, 0.6, 0.0)
_NEARLY_SHUT = (0.5, 0.8)  # blinks from which on no light falls between the lids


@dataclass(frozen=True, slots=True)
class LashLine:
    """Lash line of one eye in a photo."""

    line: LidLine
    light: float  # that it leaves of the skin's

    @classmethod
    def of(cls, head: Head, line: LidLine, photo: Picture) -> "LashLine":
        """Measure the line in the plate's light ``photo`` ``[H, W, 3]``."""
        edge = line.at(head.photo_view.xy @ head.upright, head.donor)
        width = width_of(edge)
        x = edge[0, 0] + width * np.linspace(*_ACROSS, _COLUMNS)
        y = np.interp(x, edge[:, 0], edge[:, 1])
        row = np.arange(_AROUND[0], _AROUND[1], _ROW)
        at = np.stack(np.broadcast_arrays(x, y + width * row[:, None]), -1)
        light = sample(photo, at @ head.upright.T).mean(-1)
        skin = np.percentile(light, _SKIN, axis=0)
        beside = (row >= _AT_EDGE[0]) & (row <= _AT_EDGE[1])
        ratio = float(np.median(light[beside].min(0) / np.maximum(skin, 1e-3)))
        return cls(line, min(max(ratio, _LEAST), _MOST) ** _STRENGTH)

    def over(
        self, head: Head, view: View, points: Floats, ball: Mask, blink: float
    ) -> Picture:
        """
        Return the factors ``[N, 1]`` of light at pixels ``[N, 2]`` of a keyframe.

        ``ball`` ``[N]`` are those that show the eyeball; ``blink`` 0..1 is how far the
        lid is closed.
        """
        edge = self.line.at(view.xy @ head.upright, head.donor)
        points = points @ head.upright
        width = width_of(edge)
        down, _ = offsets(edge, points)
        middle, above, under = (
            np.interp(blink, _BLINKS, sizes) for sizes in (_MIDDLE, _ABOVE, _BELOW)
        )
        off = down / width - middle
        reach = np.exp(-((off / np.where(off < 0, above, under)) ** 2))
        inward = (edge[-1, 0] - points[:, 0]) / width
        if not self.line.inner_last:
            inward = 1 - inward
        ends = np.clip(inward / _INNER, 0, 1)
        ends *= np.clip((1 + _BEYOND - inward) / _OUTER, 0, 1)
        dark = reach * ends * np.interp(blink, _SHUTTING, _SEEN)
        low, high = _NEARLY_SHUT
        dark = np.where(ball, np.maximum(dark, (blink - low) / (high - low)), dark)
        factor = self.light ** np.clip(dark, 0, 1)
        return np.asarray(factor[:, None], np.float32)
