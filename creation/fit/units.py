"""Units of a face as a photo gets them: their size, and groups by what they do."""

import numpy as np
import numpy.typing as npt

from creation.arrays import Floats
from creation.donor.loader import Donor
from creation.vision.rings import LEFT_IRIS, RIGHT_IRIS
from renderer.arkit import UNITS

# Distance of the eyes of a middle donor. A photo has no scale: a donor's own size says
# nothing about the person's, so units are sized as if a middle donor's. Mira's eyes are
# 11 % nearer to each other, theo's 2 % further apart. The figure is from both of them
# and five random people of the studio, whose mouths would need 0.90 to 1.15 of it.
_EYES_M = 0.0563
_SIDES = ("Left", "Right")
GAZES = ("gazeRight", "gazeLeft", "gazeUp", "gazeDown")


def _both(*names: str) -> tuple[str, ...]:
    return tuple(name + side for name in names for side in _SIDES)


# Units that a photo is fitted with. The others look much like one of these.
FITTED = (
    *("jawOpen", "jawLeft", "jawRight", "mouthPucker", "mouthFunnel"),
    *("mouthLeft", "mouthRight", "mouthRollLower", "mouthRollUpper", "browInnerUp"),
    *GAZES,
    *_both("mouthSmile", "mouthFrown", "mouthStretch", "mouthPress"),
    *_both("mouthLowerDown", "mouthUpperUp"),
    *_both("browDown", "browOuterUp", "cheekSquint", "eyeSquint", "eyeWide"),
)
# Units that are rarely in a photo: identity explains the same landmarks.
RARE = ("jawLeft", "jawRight", "mouthLeft", "mouthRight", *_both("eyeWide"))
_PART_LIPS = (
    *("jawOpen", "mouthUpperUp", "mouthLowerDown", "mouthRoll", "mouthPress"),
    *("mouthFunnel", "mouthPucker"),
)


def unit_scales(donor: Donor, jaw: float) -> Floats:
    """Return the size of each unit in a fitted face, of the donor's, [56]."""
    eyes = donor.landmarks.of(donor.neutral)[[RIGHT_IRIS[0], LEFT_IRIS[0]]]
    scale = float(np.linalg.norm(eyes[0] - eyes[1])) / _EYES_M
    return np.array([scale * (jaw if moves_mouth(unit) else 1.0) for unit in UNITS])


def sized_shapes(donor: Donor, scales: Floats) -> Floats:
    """Return the donor's units ``[56, V, 3]`` in that size. Eyeballs turn as before."""
    per_vertex = np.where(donor.part("eyes"), 1.0, scales[:, None])
    sized: Floats = donor.shapes * per_vertex[..., None]
    return sized


def rows(names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the rows of units by name."""
    return np.array([UNITS.index(name) for name in names])


def moves_mouth(unit: str) -> bool:
    """Return whether a unit moves jaw or lips."""
    return unit.startswith(("jaw", "mouth"))


def removed_at_rest(expression: Floats, smile: float) -> Floats:
    """
    Return the part ``[56]`` of the photo's expression that rest is without.

    Lips close in full. Of other units of the mouth the fraction ``smile`` is kept, of
    eyes and brows everything.
    """
    kept = [
        0.0 if unit.startswith(_PART_LIPS) else smile if moves_mouth(unit) else 1.0
        for unit in UNITS
    ]
    removed: Floats = expression * (1 - np.array(kept))
    removed[rows(GAZES)] = 0.0
    return removed
