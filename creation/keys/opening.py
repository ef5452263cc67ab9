"""
Opening of the eyes in a photo: eyeball that the lids of a fitted surface cover.

Edges of fitted lids lie up to three pixels inside of those that the photo shows. What
they cover is no skin: an eyeball is drawn there, which turns.
"""

import numpy as np

from creation.arrays import Mask, Picture
from creation.images import nearest, polygon, ramp
from creation.keys.samples import Samples
from creation.plate import Plate
from creation.vision.rings import LEFT_EYE, RIGHT_EYE, outline

# Of the eye's width, from its ends: in a corner is flesh, which does not turn.
_CORNER = (0.15, 0.3)


def open_eyes(plate: Plate) -> Picture:
    """Return where a plate shows eyes between their lids, ``[H, W]`` 0..1."""
    both = np.zeros((plate.height, plate.width), np.float32)
    for ring in (RIGHT_EYE, LEFT_EYE):
        lids = plate.landmarks[outline(ring), :2]
        opening = polygon(lids, plate.height, plate.width)
        first, last = lids[:, 0].min(), lids[:, 0].max()
        x = (np.arange(plate.width) + 0.5 - first) / (last - first)
        middle = ramp(np.minimum(x, 1 - x), *_CORNER)
        both = np.maximum(both, opening * middle.astype(np.float32))
    return both


def behind_lids(samples: Samples, shown: Picture, ball: Mask) -> Picture:
    """
    Return which pixels of the plate show an eyeball where lids cover it, ``[N, 2]``.

    ``shown`` ``[N, 2]`` are the pixels that samples show now, ``ball`` ``[N]`` those of
    the eyeball, which goes on beyond its edge as it is there.
    """
    centres = samples.grid(ball) > 0
    if not centres.any():
        return np.asarray(shown, np.float32)
    rows, columns, _ = nearest(centres)
    moves = samples.grid(shown - samples.at)[rows, columns]
    behind = samples.at + samples.ungrid(moves)
    return np.asarray(np.where(ball[:, None], shown, behind), np.float32)
