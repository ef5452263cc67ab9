"""Blinks of a fitted face, scaled so that they close its eyes as the donor's do."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Ints
from creation.donor.loader import Donor
from creation.fit.camera import project
from creation.fit.eyeballs import depth_offset
from creation.raster import raster
from creation.vision.rings import LEFT_EYE, RIGHT_EYE
from renderer.arkit import UNITS

_RINGS = {"eyeBlinkRight": RIGHT_EYE, "eyeBlinkLeft": LEFT_EYE}
_OPEN_LEFT = 0.006  # of the open eye's pixels that a closed one may show
_SHORTEST, _LONGEST = 0.3, 1.8  # weights between which an eye is closed
_CLOSED = (0.9, _LONGEST)  # weights at which a lid is down, or farther
_HALVINGS = 7
_MARGIN = 0.35  # of the eye's width, around its landmarks
_SAMPLES = 90  # across the box of an eye


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye of a fitted face in the picture."""

    donor: Donor
    camera: Floats  # [3, 4]
    box: tuple[float, float, float, float]  # left, top, right, bottom; pixels
    triangles: Ints  # those that can be seen in the box

    @classmethod
    def around(cls, ring: Floats, rest: Floats, donor: Donor, camera: Floats) -> "Eye":
        """Return the eye with the landmarks ``ring`` ``[n, 2]`` of a face at rest."""
        margin = _MARGIN * float(np.ptp(ring[:, 0]))
        (left, top), (right, bottom) = ring.min(0) - margin, ring.max(0) + margin
        xy, _ = project(rest, camera)
        wide = 2 * margin  # lids come from outside of the box
        low, high = np.array([left, top]) - wide, np.array([right, bottom]) + wide
        near = np.all((xy > low) & (xy < high), axis=1)
        triangles = donor.triangles[near[donor.triangles].any(1)]
        return cls(donor, camera, (left, top, right, bottom), triangles)

    def closed_at(self, rest: Floats, blink: Floats) -> float:
        """
        Return the weight at which ``blink`` ``[V, 3]`` just closes the eye.

        An eyeball that comes through the skin beside the lids, as where hair hides the
        corner of an eye, is seen at every weight: no lid has to cover that.
        """
        beside = min(self.visible(rest + weight * blink) for weight in _CLOSED)
        limit = beside + _OPEN_LEFT * self.visible(rest)
        low, high = _SHORTEST, _LONGEST
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            closed = self.visible(rest + middle * blink) <= limit
            low, high = (low, middle) if closed else (middle, high)
        return high

    def visible(self, vertices: Floats) -> int:
        """Return the number of samples at which the eyeball is seen."""
        left, _, right, _ = self.box
        xy, depth = project(vertices, self.camera)
        drawn = raster(
            xy, depth + depth_offset(self.donor), self.triangles, self.box,
            (right - left) / _SAMPLES,
        )  # fmt: skip
        eyes = self.donor.part("eyes")[self.triangles[:, 0]]
        return int(eyes[drawn.triangle[drawn.hit]].sum())


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
