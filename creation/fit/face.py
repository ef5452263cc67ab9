"""The person in a photo as a surface that moves like the donor's."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats
from creation.donor.loader import Donor
from creation.fit.camera import plate_camera, project
from creation.fit.eyeballs import depth_offset, eyeball_vertices
from creation.fit.gauss_newton import Estimate, estimate
from creation.fit.inside import placed_inside
from creation.fit.lids import blink_scales
from creation.fit.rotation import yaw_pitch_roll
from creation.fit.units import removed_at_rest, sized_shapes, unit_scales
from creation.fit.warp import Warp, fit_warp
from creation.vision.rings import INNER_LIPS, MOUTH_CORNERS
from renderer.arkit import UNITS

SMILE = 0.85  # of a smile in the photo that stays at rest
_SHUT = 0.05  # gap of shut lips, of the mouth's width


@dataclass(frozen=True, slots=True)
class FittedFace:
    """Surface of the person in a photo. World units are the donor's metres."""

    donor: Donor
    camera: Floats  # [3, 4]: world to homogeneous plate pixels
    pivot: Floats  # [3]: the head turns about this point
    photo: Floats  # [V, 3]: as photographed
    rest: Floats  # [V, 3]: lips closed; photo minus the moves of `expression`
    shapes: Floats  # [56, V, 3]: of this person
    unit_scales: Floats  # [56]: size of each unit, of the donor's
    expression: Floats  # [56]: weights at which the surface is as photographed
    spots: Floats  # [478, 3]: landmarks on the surface as photographed
    rotation: tuple[float, float, float]  # yaw, pitch, roll; degrees
    residual_px: float  # median distance of landmarks before the warp
    lips_shut: bool

    def posed(self, weights: Floats) -> Floats:
        """Return the vertices ``[V, 3]`` for unit weights ``[56]``."""
        moved: Floats = self.rest + np.tensordot(weights, self.shapes, 1)
        return moved

    def project(self, vertices: Floats) -> tuple[Floats, Floats]:
        """Return plate pixels ``[V, 2]``, and depths ``[V]`` for a depth test."""
        xy, depth = project(vertices, self.camera)
        return xy, depth + depth_offset(self.donor)


def fit_face(
    landmarks: Floats, donor: Donor, side: int, smile: float = SMILE, jaw: float = 1.0
) -> FittedFace:
    """
    Fit a donor to the ``landmarks`` ``[478, 3]`` of a square plate of ``side`` pixels.

    x grows to the right, y down; z is not read. ``smile`` 0..1 is how much of a smile
    stays at rest. ``jaw`` scales jaw and mouth.
    """
    camera = plate_camera(landmarks, donor, side)
    shut = lips_shut(landmarks)
    scales = unit_scales(donor, jaw)
    sized = sized_shapes(donor, scales)
    found = estimate(landmarks, donor, sized, camera, shut)
    surface = _Surface(donor, sized, found)
    pixels, depth = project(surface.spots, camera)
    off = landmarks[:, :2] - pixels
    moves = _parallel(off, depth, camera)
    warp = fit_warp(
        surface.spots, moves, donor.landmarks.known, surface.posed[donor.part("skin")]
    )
    photo = surface.warped(warp, moves)
    shapes = surface.shapes
    expression = np.zeros(len(UNITS))
    if not shut:
        expression = removed_at_rest(found.expression, smile)
    moved = np.tensordot(expression, shapes, 1)
    rest = photo - moved
    inside, places = placed_inside(donor, found, donor.landmarks.of(rest))
    rest[inside], photo[inside] = places, places + moved[inside]
    for unit, scale in blink_scales(landmarks, rest, shapes, donor, camera).items():
        row = UNITS.index(unit)
        shapes[row] *= scale
        scales[row] *= scale
    known = donor.landmarks.known
    return FittedFace(
        donor=donor,
        camera=camera,
        pivot=found.move(donor.pivot),
        photo=photo,
        rest=rest,
        shapes=shapes,
        unit_scales=scales,
        expression=expression,
        spots=donor.landmarks.of(photo),
        rotation=yaw_pitch_roll(found.rotation),
        residual_px=float(np.median(np.linalg.norm(off[known], axis=1))),
        lips_shut=shut,
    )


def lips_shut(landmarks: Floats) -> bool:
    """Return whether the lips of ``landmarks`` ``[478, 3]`` touch."""
    upper, lower = landmarks[list(INNER_LIPS), :2]
    right, left = landmarks[list(MOUTH_CORNERS), :2]
    return bool(np.linalg.norm(upper - lower) < _SHUT * np.linalg.norm(right - left))


def _parallel(off: Floats, depth: Floats, camera: Floats) -> Floats:
    """Return displacements ``[n, 3]`` parallel to the picture for pixels ``[n, 2]``."""
    per_px = depth / camera[0, 0]
    return np.stack([off[:, 0] * per_px, np.zeros(len(off)), -off[:, 1] * per_px], 1)


class _Surface:
    """A donor where an estimate puts it."""

    def __init__(self, donor: Donor, shapes: Floats, found: Estimate) -> None:
        self._donor = donor
        neutral = found.move(
            donor.neutral + np.tensordot(found.identity, donor.identities, 1)
        )
        # [56, V, 3]. They are not warped: a vertex keeps its own displacement by the
        # warp wherever a unit moves it.
        self.shapes = found.turn(shapes)
        self.posed: Floats = neutral + np.tensordot(found.expression, self.shapes, 1)
        self.spots = donor.landmarks.of(self.posed)

    def warped(self, warp: Warp, moves: Floats) -> Floats:
        """
        Return the vertices ``[V, 3]`` where the photo has them.

        ``moves`` ``[478, 3]`` are those of the landmarks. Eyeballs move as a whole.
        """
        photo = self.posed + warp.at(self.posed)
        for iris, ball in eyeball_vertices(self._donor).items():
            photo[ball] = self.posed[ball] + moves[iris]
        return photo
