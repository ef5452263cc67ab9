"""
Edges of upper lids in a photo, to which their landmarks are moved.

The landmark network follows the lower side of the dark line of the lashes where that is
thick, and its middle where it is thin. The edge of the lid lies halfway between the row
in which the light of the skin has fallen halfway to that of the line, and the darkest
row of the line. Both are measured beside the iris, which is dark itself.
"""

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.images import blur, linear, ramp, sample
from creation.vision.rings import LEFT_EYE, RIGHT_EYE

# Everything is of the width of an eye, which has some 80 pixels. Columns of the white
# on both sides of the iris, and rows around the landmarks of the lid.
_COLUMNS = (*np.linspace(0.12, 0.35, 12), *np.linspace(0.65, 0.88, 12))
_ROWS, _ROW = (-0.22, 0.07), 0.005
_SKIN, _SKIN_ABOVE = 80, -0.04  # percentile of the rows above that are skin
_LINE_ABOVE = -0.1  # the highest row of the line of the lashes
_SOFT = 1.0  # sigma of the rows and columns, in their steps
# The edge lies so much lower than halfway, as measured at 14 eyes of two donors and
# five rendered people. Landmarks are up to 0.05 below the edge and 0.02 above it.
_LOWER = 0.011
_HIGHEST, _LOWEST = -0.05, 0.03  # moves of landmarks
_CLEAR = 0.5  # light of the line, of the skin's, from which on it says little
_ENDS = 0.15  # from the corners of an eye, which stay: landmarks begin to move


def with_lid_edges(picture: Picture, landmarks: Floats) -> Floats:
    """
    Return the ``landmarks`` ``[478, 3]`` with those of upper lids at their edges.

    ``picture`` ``[H, W, 3]`` is sRGB; landmarks are its pixels.
    """
    moved = landmarks.copy()
    light = linear(picture).mean(-1)[..., None]
    for ring in (RIGHT_EYE, LEFT_EYE):
        corners = landmarks[[ring[0], ring[8]], :2]
        along = corners[1] - corners[0]
        down = np.array([-along[1], along[0]])
        if down[1] < 0:
            down = -down
        lid = landmarks[[ring[0], *ring[9:], ring[8]], :2] - corners[0]
        square = float(along @ along)
        across, height = lid @ along / square, lid @ down / square
        row = np.arange(*_ROWS, _ROW)
        middle = np.interp(_COLUMNS, across, height)
        at = corners[0] + np.multiply.outer(np.asarray(_COLUMNS), along)
        points = at + (middle + row[:, None])[..., None] * down
        shift = _edge(sample(light, points)[..., 0], row)
        ends = ramp(np.minimum(across, 1 - across)[1:-1], 0, _ENDS)
        moved[list(ring[9:]), :2] += (shift * ends)[:, None] * down
    return moved


def _edge(light: Picture, row: Floats) -> float:
    """
    Return how far the edge of a lid lies below its landmarks, of the eye's width.

    ``light`` ``[n, columns]`` are the rows ``row`` ``[n]`` across the lid.
    """
    soft = blur(light, _SOFT)
    skin = np.percentile(soft[row < _SKIN_ABOVE], _SKIN, axis=0)
    near = np.flatnonzero(row > _LINE_ABOVE)
    darkest = near[soft[near].argmin(0)]
    line = soft[darkest, np.arange(soft.shape[1])]
    if np.median(line / np.maximum(skin, 1e-3)) > _CLEAR:
        return 0.0
    bright: Mask = soft > (skin + line) / 2
    bright &= np.arange(len(row))[:, None] < darkest
    # The lowest bright row above the line; the first one of all where there is none.
    top = np.where(bright, row[:, None], row[0]).max(0)
    half = (top + row[darkest]) / 2
    sides = np.median(half.reshape(2, -1), axis=1)
    return float(np.clip(sides.mean() + _LOWER, _HIGHEST, _LOWEST))
