"""Blinks of a fitted face, scaled so that they close its eyes as the donor's do."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Ints, Mask
from creation.donor.loader import Donor
from creation.fit.camera import project
from creation.fit.eyeballs import depth_offset
from creation.images import polygon
from creation.raster import raster
from creation.vision.rings import LEFT_EYE, RIGHT_EYE, outline
from renderer.arkit import UNITS

_RINGS = {"eyeBlinkRight": outline(RIGHT_EYE), "eyeBlinkLeft": outline(LEFT_EYE)}
_OPEN_LEFT = 0.006  # of the open eye's pixels that a closed one may show
_SHORTEST, _LONGEST = 0.3, 1.8  # weights between which an eye is closed
_HALVINGS = 7
_MARGIN = 0.35  # of the eye's width, around its landmarks
_SAMPLES = 90  # across the box of an eye
_WIDER = 1.1  # of the lids in the photo: area that a closed eye covers


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye of a fitted face in the picture."""

    donor: Donor
    camera: Floats  # [3, 4]
    box: tuple[float, float, float, float]  # left, top, right, bottom; pixels
    triangles: Ints  # those that can be seen in the box
    opening: Mask  # [h, w]: samples that the lids have to cover, with a margin

    @classmethod
    def around(cls, ring: Floats, rest: Floats, donor: Donor, camera: Floats) -> "Eye":
        """Return the eye of a face at rest with the outline ``ring`` ``[n, 2]``."""
        margin = _MARGIN * float(np.ptp(ring[:, 0]))
        (left, top), (right, bottom) = ring.min(0) - margin, ring.max(0) + margin
        xy, _ = project(rest, camera)
        wide = 2 * margin  # lids come from outside of the box
        low, high = np.array([left, top]) - wide, np.array([right, bottom]) + wide
        near = np.all((xy > low) & (xy < high), axis=1)
        triangles = donor.triangles[near[donor.triangles].any(1)]
        box = (left, top, right, bottom)
        return cls(donor, camera, box, triangles, _opening(ring, box))

    def closed_at(self, rest: Floats, blink: Floats) -> float:
        """Return the weight at which ``blink`` ``[V, 3]`` just closes the eye."""
        limit = _OPEN_LEFT * self.visible(rest)
        low, high = _SHORTEST, _LONGEST
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            closed = self.visible(rest + middle * blink) <= limit
            low, high = (low, middle) if closed else (middle, high)
        return high

    def visible(self, vertices: Floats) -> int:
        """
        Return the number of samples at which the eyeball is seen between the lids.

        It may come through the skin beside them, as where hair hides the corner of an
        eye. No blink has to cover that.
        """
        xy, depth = project(vertices, self.camera)
        drawn = raster(
            xy, depth + depth_offset(self.donor), self.triangles, self.box,
            _step(self.box),
        )  # fmt: skip
        eyes = self.donor.part("eyes")[self.triangles[:, 0]]
        return int(eyes[drawn.triangle[drawn.hit & self.opening]].sum())


def _step(box: tuple[float, float, float, float]) -> float:
    """Return the pixels between two samples of the box of an eye."""
    return (box[2] - box[0]) / _SAMPLES


def _opening(ring: Floats, box: tuple[float, float, float, float]) -> Mask:
    """Return which samples of ``box`` ``[h, w]`` lie between the lids ``ring``."""
    middle = ring.mean(0)
    wider = middle + _WIDER * (ring - middle)
    step = _step(box)
    rows, columns = (round((box[k + 2] - box[k]) / step) for k in (1, 0))
    inside: Mask = polygon((wider - box[:2]) / step, rows, columns) > 0.5
    return inside


def blink_scales(
    landmarks: Floats, rest: Floats, shapes: Floats, donor: Donor, camera: Floats
) -> dict[str, float]:
    """
    Return by what each blink is multiplied so that it closes the eye as the donor's.

    Both close at the same weight. ``landmarks`` ``[478, 3]`` are plate pixels, ``rest``
    ``[V, 3]`` and ``shapes`` ``[56, V, 3]`` the fitted face.
    """
    own, _ = project(donor.landmarks.of(donor.neutral), donor.camera)
    scales = {}
    for unit, ring in _RINGS.items():
        row = UNITS.index(unit)
        eye = Eye.around(landmarks[list(ring), :2], rest, donor, camera)
        lender = Eye.around(own[list(ring)], donor.neutral, donor, donor.camera)
        scales[unit] = eye.closed_at(rest, shapes[row]) / lender.closed_at(
            donor.neutral, donor.shapes[row]
        )
    return scales
