"""Brows: they stay where they are when the lids below them move."""

import numpy as np

from creation.arrays import Floats, Picture
from creation.fit.camera import project
from creation.fit.face import FittedFace
from creation.images import blur, grown, polygon, sample
from creation.plate import Plate
from creation.vision.rings import LEFT_BROW, RIGHT_BROW
from renderer.arkit import UNITS

_LID_UNITS = tuple(
    UNITS.index(name + side)
    for name in ("eyeBlink", "eyeSquint", "eyeWide")
    for side in ("Left", "Right")
)
# Around the landmarks of the brows, of the face's height: skin that stays with them,
# and the sigma over which the lids' moves come back.
_HELD, _SOFT = 0.012, 0.018


def brow_mask(plate: Plate) -> Picture:
    """Return where the brows are, ``[H, W]`` 0..1."""
    mask = np.zeros((plate.height, plate.width), np.float32)
    for ring in (RIGHT_BROW, LEFT_BROW):
        points = plate.landmarks[list(ring), :2]
        mask = np.maximum(mask, polygon(points, plate.height, plate.width))
    return blur(grown(mask > 0.5, 1).astype(np.float32), 1.5)


def steady_shapes(fitted: FittedFace, plate: Plate, camera: Floats) -> Floats:
    """
    Return the shapes ``[56, V, 3]`` without the moves of brows by units of the lids.

    The donor's brows are hair on skin that blinks pull down. In a photo the skin that
    is pulled has the brow on it.
    """
    mask = brow_mask(plate)
    held = grown(mask > 0.5, round(_HELD * plate.face_height)).astype(np.float32)
    soft = blur(held, _SOFT * plate.face_height)
    weight = np.clip(1.6 * np.maximum(soft, held), 0, 1)
    xy, _ = project(fitted.photo, camera)
    stays = sample(np.asarray(weight, np.float32)[..., None], xy).astype(np.float64)
    stays[fitted.donor.part("eyes")] = 0
    shapes = fitted.shapes.copy()
    for number in _LID_UNITS:
        shapes[number] *= 1 - stays
    return shapes
