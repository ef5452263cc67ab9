"""Head: the fitted surface of the photographed person, over plate and donor."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from creation.arrays import Floats, Ints, Mask, Picture, Whole
from creation.donor.layout import INSIDE
from creation.donor.loader import Donor
from creation.fit.camera import project
from creation.fit.eyeballs import corneas, depth_offset
from creation.fit.face import FittedFace
from creation.images import polygon, sample
from creation.keys.brows import Brows, steady_shapes
from creation.keys.frame import find_frame, with_stiff_frame
from creation.keys.view import Box, View
from creation.plate import Plate
from creation.surface import distances, facing
from creation.vision.rings import (
    CHIN,
    FOREHEAD,
    INNER_LIPS,
    LIPS_INNER,
    OVAL,
    TEMPLES,
    outline,
)
from renderer.arkit import UNITS

_BEHIND_M = 0.012  # how far behind the temples the drawn surface goes
_MOUTH_BAG_M = 0.09  # around the lips: skin that lines the mouth
_HEAD_WEIGHT = 0.6  # of a vertex that is drawn as head, not as neck
_OVAL_SCALE = 1.06  # of the landmarks' oval, within which the surface is drawn
# Strip below the chin, in face heights and half widths: neck that a jaw covers.
_STRIP_TOP, _STRIP_BOTTOM, _STRIP_HALF = 0.22, 0.30, 0.74
_LIP_MOVE = 0.25  # of the largest move: a vertex that moves less is no lip
_TOUCH_M = 0.0012  # distance of lips that touch
# Teeth of a donor lie farther in front than those of some people, and would come
# through the skin of chin and lips.
_INSIDE_BACK_M = 0.012


def unit(name: str) -> int:
    """Return the row of a unit."""
    return UNITS.index(name)


@dataclass(frozen=True)
class Head:
    """
    Surface of one person in any expression, and the pictures that it is drawn from.

    It has the donor's vertices ``V``. Those of ``triangles`` are drawn.
    """

    plate: Plate
    fitted: FittedFace  # its camera is that of the whole plate
    triangles: Ints  # [T, 3]
    brows: Brows  # in the photo
    frame: Picture | None  # of glasses in the photo, [H, W] 0..1

    @classmethod
    def of(cls, plate: Plate, fitted: FittedFace) -> "Head":
        """Return the head; ``fitted`` is a fit to the square in the plate's middle."""
        shift = np.eye(3)
        shift[0, 2] = plate.square_left
        camera = shift @ fitted.camera
        frame = find_frame(plate)
        brows = Brows.of(plate, frame)
        shapes = steady_shapes(fitted, plate, camera, brows)
        moved = replace(fitted, camera=camera, shapes=shapes)
        if frame is not None:
            moved = with_stiff_frame(moved, plate, camera, frame)
        return cls(plate, moved, _drawn_triangles(plate, moved), brows, frame)

    @property
    def donor(self) -> Donor:
        return self.fitted.donor

    @cached_property
    def upright(self) -> Floats:
        """Return ``[2, 2]``: plate pixels times it are as if the head were level."""
        roll = np.radians(self.fitted.rotation[2])
        along, down = np.cos(roll), np.sin(roll)
        return np.array([[along, -down], [down, along]])

    @cached_property
    def drawn(self) -> Whole:
        """Return the numbers of the vertices that are drawn, [n]."""
        return np.unique(self.triangles)

    @cached_property
    def lift(self) -> Floats:
        """Return what is added to the depth of each vertex in a depth test, [V]."""
        back = self.donor.part(*INSIDE) * _INSIDE_BACK_M
        return np.asarray(depth_offset(self.donor) + back)

    @cached_property
    def photo_view(self) -> View:
        """Return the view of the plate's expression, around the face."""
        fitted, plate = self.fitted, self.plate
        box = self._around(fitted.photo, fitted.camera, plate.height, plate.width)
        return self.view(fitted.photo, box)

    @cached_property
    def open_lips(self) -> Picture:
        """Return ``[H, W]``: 1 between the lips in the photo; a fit is pixels off."""
        plate = self.plate
        if self.fitted.lips_shut:
            return np.zeros((plate.height, plate.width), np.float32)
        ring = plate.landmarks[outline(LIPS_INNER), :2]
        return polygon(ring, plate.height, plate.width)

    @cached_property
    def donor_view(self) -> View:
        """Return the donor at rest, around the face in its base image."""
        donor = self.donor
        _, rows, columns = donor.portrait.base_image.shape
        box = self._around(donor.neutral, donor.camera, rows, columns)
        return self.donor_posed(np.zeros(len(UNITS)), box, 1.0)

    def _around(self, vertices: Floats, camera: Floats, rows: int, columns: int) -> Box:
        """Return the box of a picture that has all vertices that are drawn."""
        xy, _ = project(vertices[self.drawn], camera)
        left, top = np.floor(xy.min(0)).astype(int).clip(0).tolist()
        right, bottom = np.ceil(xy.max(0)).astype(int).clip(1).tolist()
        return left, top, min(right, columns), min(bottom, rows)

    @cached_property
    def front(self) -> Floats:
        """Return the cosine of each normal to the camera in the plate, [V]."""
        used = np.zeros(len(self.fitted.photo), bool)
        seen = self.photo_view.mesh.triangle
        used[np.unique(self.triangles[seen[seen >= 0]])] = True
        return facing(self.fitted.photo, self.fitted.camera, self.triangles, used)

    @cached_property
    def part_of_triangle(self) -> np.ndarray:
        """Return the surface number of each triangle, [T]."""
        return self.donor.surface[self.triangles[:, 0]]

    def posed(self, weights: Floats) -> Floats:
        """Return the vertices ``[V, 3]`` for unit weights ``[56]``."""
        chosen = np.flatnonzero(weights)
        shapes = self.fitted.shapes[chosen]
        moved: Floats = self.fitted.rest + np.tensordot(weights[chosen], shapes, 1)
        return moved

    def view(self, vertices: Floats, box: Box, step: float = 1.0) -> View:
        return View.of(
            vertices, self.fitted.camera, self.triangles, self.lift, box, step
        )

    def donor_posed(self, weights: Floats, box: Box, step: float) -> View:
        """Return the donor in an expression, in a box of its base image."""
        vertices = self.donor.posed(weights)
        camera = self.donor.camera
        return View.of(vertices, camera, self.triangles, self.lift, box, step)

    def is_part(self, triangle: np.ndarray, *names: str) -> Mask:
        """Return which samples of triangles (-1: none) belong to parts, [...]."""
        numbers = [self.donor.surface_names.index(name) for name in names]
        part = self.part_of_triangle[np.maximum(triangle, 0)]
        chosen: Mask = (triangle >= 0) & np.isin(part, numbers)
        return chosen


def _drawn_triangles(plate: Plate, fitted: FittedFace) -> Ints:
    """Return the triangles of face, eyes and mouth; not ears, scalp and shoulders."""
    donor = fitted.donor
    skin = donor.part("skin")
    limit = fitted.spots[list(TEMPLES), 1].mean() + _BEHIND_M
    front = fitted.photo[:, 1] < limit
    lips = fitted.spots[list(INNER_LIPS)].mean(0)
    front |= np.linalg.norm(fitted.photo - lips, axis=1) < _MOUTH_BAG_M
    oval, strip = _drawn_regions(plate, project(fitted.photo, fitted.camera)[0])
    face = skin & ((front & oval & (donor.skull > _HEAD_WEIGHT)) | strip)
    inside = donor.part("eyes", *INSIDE) & ~corneas(donor)
    kept = face[donor.triangles].all(1) | inside[donor.triangles].all(1)
    drawn: Ints = donor.triangles[kept]
    return drawn


def _drawn_regions(plate: Plate, xy: Floats) -> tuple[Mask, Mask]:
    """Return which pixels lie in the face's oval, and in the strip below the chin."""
    oval = plate.landmarks[list(OVAL), :2]
    larger = oval.mean(0) + (oval - oval.mean(0)) * _OVAL_SCALE
    covered = polygon(larger, plate.height, plate.width)
    inside: Mask = sample(covered[..., None], xy)[:, 0] > 0.5
    chin, forehead = plate.landmarks[CHIN], plate.landmarks[FOREHEAD]
    height, half = chin[1] - forehead[1], np.ptp(oval[:, 0]) / 2
    strip: Mask = xy[:, 1] > chin[1] - _STRIP_TOP * height
    strip &= xy[:, 1] < chin[1] + _STRIP_BOTTOM * height
    strip &= np.abs(xy[:, 0] - chin[0]) < _STRIP_HALF * half
    return inside, strip


@dataclass(frozen=True, slots=True)
class LipLine:
    """Line at which the lips of a donor meet, at rest."""

    above: Whole  # [n]: vertices of the upper lip, each of which touches
    below: Whole  # [n]: one of the lower lip
    lips: Mask  # [V]: vertices of the lips, and of the skin that moves with them
    distance: Floats  # [V]: from the line, metres


def lip_line(donor: Donor) -> LipLine:
    """Find the lips by what lifts the upper and lowers the lower one."""
    skin = donor.part("skin")
    up, low = (
        np.linalg.norm(donor.shapes[[unit(name + side) for side in ("Left", "Right")]],
                       axis=2).max(0)
        for name in ("mouthUpperUp", "mouthLowerDown")
    )  # fmt: skip
    is_upper = skin & (up > low) & (up > _LIP_MOVE * up[skin].max())
    is_lower = skin & (low >= up) & (low > _LIP_MOVE * low[skin].max())
    upper, lower = np.flatnonzero(is_upper), np.flatnonzero(is_lower)
    gap, nearest = distances(donor.neutral[upper], donor.neutral[lower])
    touch = gap < _TOUCH_M
    above, below = upper[touch], lower[nearest[touch]]
    spots = (donor.neutral[above] + donor.neutral[below]) / 2
    distance, _ = distances(donor.neutral, spots)
    return LipLine(above, below, is_upper | is_lower, distance)
