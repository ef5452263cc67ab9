"""Brows: they stay where they are when the lids below them move."""

from dataclasses import dataclass

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.fit.camera import project
from creation.fit.face import FittedFace
from creation.images import blur, grown, linear, polygon, sample
from creation.plate import Plate
from creation.vision.rings import LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE, outline
from renderer.arkit import UNITS

_LID_UNITS = tuple(
    UNITS.index(name + side)
    for name in ("eyeBlink", "eyeSquint", "eyeWide")
    for side in ("Left", "Right")
)
# Around the landmarks of the brows, of the face's height: skin that stays with them,
# and the sigma over which the lids' moves come back.
_HELD, _SOFT = 0.012, 0.018
# The outer part of a brow may leave the landmarks. Reach of hair that is followed from
# them, space around the outline of an eye that belongs to its lashes, and the sigma
# around hair, which is thinner than shadows, of the face's height.
_TAIL, _LASHES, _AROUND = 0.06, 0.02, 0.015
_TAIL_SOFT = 0.006  # sigma over which moves come back beside such hair
# Around the eyes, of the face's height: lids below a brow, which have to close, and how
# much less of them is held. With more, lids of one of five rendered people close too
# far; those of the others would be nearer to the truth.
_LIDS, _FREED = 0.008, 0.35
_HEAD = 0.25  # of a brow's width, from its inner end: the part that stays in them
_HAIR = 0.87  # light of hair, of that around it
_EDGE_PX = 1.5  # sigma of the edge of a brow
# Landmarks of a brow close to the frame of glasses lie on that. How much of them it
# covers then, the distance of the brow from the eye, of the face's height, and how much
# brighter the skin below it is.
_FRAMED, _ABOVE_EYE, _RISES = 0.8, 0.01, 0.05


@dataclass(frozen=True, slots=True)
class Brows:
    """Brows in a plate, ``[H, W]`` 0..1 each."""

    rings: Picture  # within their landmarks
    tails: Picture  # hair of theirs beside the landmarks

    @classmethod
    def of(cls, plate: Plate, frame: Picture | None = None) -> "Brows":
        """Find the brows; ``frame`` ``[H, W]`` 0..1 is that of glasses."""
        rings = _rings(plate)
        inside = rings > 0.5
        mask = inside.copy()
        for brow, eye in ((RIGHT_BROW, RIGHT_EYE), (LEFT_BROW, LEFT_EYE)):
            brow_points = plate.landmarks[list(brow), :2]
            eye_points = plate.landmarks[outline(eye), :2]
            area = _area(plate, np.concatenate([brow_points, eye_points]))
            tail = _tail(plate, area, brow_points, eye_points)
            mask[area] |= _hair(plate, area, mask[area], tail)
            if frame is not None:
                mask |= _below_frame(plate, frame, brow_points, eye_points)
        tails = blur((mask & ~inside).astype(np.float32), _EDGE_PX)
        return cls(blur(rings, _EDGE_PX), tails)

    @property
    def whole(self) -> Picture:
        return np.asarray(np.maximum(self.rings, self.tails), np.float32)


def _rings(plate: Plate) -> Picture:
    """Return the pixels within the landmarks of the brows, ``[H, W]`` 0..1."""
    mask = np.zeros((plate.height, plate.width), np.float32)
    for ring in (RIGHT_BROW, LEFT_BROW):
        points = plate.landmarks[list(ring), :2]
        mask = np.maximum(mask, polygon(points, plate.height, plate.width))
    return grown(mask > 0.5, 1).astype(np.float32)


def _area(plate: Plate, points: Floats) -> tuple[slice, slice]:
    """Return rows and columns of the plate around pixels ``[n, 2]``."""
    margin = 2 * _TAIL * plate.face_height
    left, top = np.maximum(points.min(0) - margin, 0).astype(int)
    right, bottom = (points.max(0) + margin).astype(int)
    return slice(top, bottom), slice(left, right)


def _tail(plate: Plate, area: tuple[slice, slice], brow: Floats, eye: Floats) -> Mask:
    """
    Return where in an area a brow may leave its landmarks ``[n, 2]``, ``[h, w]``.

    ``eye`` ``[n, 2]`` is the outline of the eye below it, from the outer corner.
    """
    rows, columns = area
    x = np.arange(plate.width)[None, columns]
    y = np.arange(plate.height)[rows, None]
    low, high = brow[:, 0].min(), brow[:, 0].max()
    lashes = _LASHES * plate.face_height
    if eye[0, 0] > eye[:, 0].mean():
        outer = x > low + _HEAD * (high - low)
    else:
        outer = x < high - _HEAD * (high - low)
    corner = np.array([columns.start, rows.start])
    lids = polygon(eye - corner, len(y), x.shape[1]) > 0.5
    tail: Mask = outer & (y < eye[0, 1] - lashes) & ~grown(lids, round(lashes))
    return tail


def _hair(plate: Plate, area: tuple[slice, slice], ring: Mask, tail: Mask) -> Mask:
    """Return the ring ``[h, w]`` of a brow, and dark hair of the ``tail`` beside it."""
    light = linear(plate.picture[area]).mean(-1)
    dark = light < _HAIR * blur(light, _AROUND * plate.face_height)
    dark &= grown(ring, round(_TAIL * plate.face_height)) & tail
    found = ring
    while True:
        more = ring | (grown(found, 1) & dark)
        if (more == found).all():
            return found
        found = more


def _below_frame(plate: Plate, frame: Picture, brow: Floats, eye: Floats) -> Mask:
    """
    Return the brow below a ``frame``, ``[H, W]``, if its landmarks lie on that.

    ``brow`` and ``eye`` ``[n, 2]`` are landmarks. The brow is the darkest row between
    the skin below the frame and the eye.
    """
    ring = polygon(brow, plate.height, plate.width) > 0.5
    columns = np.flatnonzero(ring.any(0))
    none = np.zeros_like(ring)
    if not len(columns) or frame[ring].mean() < _FRAMED:
        return none
    light = linear(plate.picture).mean(-1)
    light = light / np.maximum(blur(light, _AROUND * plate.face_height), 1e-3)
    rows = np.arange(plate.height)[:, None]
    middle = (ring * rows).sum(0)[columns] / ring.sum(0)[columns]
    room = eye[:, 1].min() - middle.mean() - _ABOVE_EYE * plate.face_height
    if room < 2:
        return none
    down = (middle + np.arange(int(room))[:, None]).astype(int)
    profile = np.median(light[down, columns], 1)
    skin = int(profile.argmax())
    hair = skin + int(profile[skin:].argmin())
    if profile[hair] > _HAIR or profile[hair:].max() < profile[hair] + _RISES:
        return none
    half = (profile[skin] + profile[hair]) / 2
    top = skin + int((profile[skin : hair + 1] < half).argmax()) - _EDGE_PX
    bottom = hair + 2 * _EDGE_PX
    scale = (bottom - top) / float(ring.sum(0)[columns].mean())
    moved = (brow - brow.mean(0)) * [1, scale] + brow.mean(0)
    moved[:, 1] += (top + bottom) / 2
    found: Mask = polygon(moved, plate.height, plate.width) > 0.5
    return found


def _beside_eyes(plate: Plate) -> Picture:
    """Return how near a pixel lies to the lids of an eye, ``[H, W]`` 0..1."""
    eyes = np.zeros((plate.height, plate.width), np.float32)
    for ring in (RIGHT_EYE, LEFT_EYE):
        lids = plate.landmarks[outline(ring), :2]
        eyes = np.maximum(eyes, polygon(lids, plate.height, plate.width))
    around = round(_LIDS * plate.face_height)
    near = grown(eyes > 0.5, around).astype(np.float32)
    return np.asarray(np.clip(1.6 * blur(near, around), 0, 1), np.float32)


def steady_shapes(
    fitted: FittedFace, plate: Plate, camera: Floats, brows: Brows
) -> Floats:
    """
    Return the shapes ``[56, V, 3]`` without the moves of brows by units of the lids.

    The donor's brows are hair on skin that blinks pull down. In a photo the skin that
    is pulled has the brow on it.
    """
    held = grown(brows.rings > 0.5, round(_HELD * plate.face_height))
    soft = blur(held.astype(np.float32), _SOFT * plate.face_height)
    # A tail may end close to a lid, which has to close.
    tail = blur(brows.whole, _TAIL_SOFT * plate.face_height)
    weight = np.clip(1.6 * np.maximum.reduce([soft, held, tail]), 0, 1)
    weight *= 1 - _FREED * _beside_eyes(plate)
    xy, _ = project(fitted.photo, camera)
    stays = sample(np.asarray(weight, np.float32)[..., None], xy).astype(np.float64)
    stays[fitted.donor.part("eyes")] = 0
    shapes = fitted.shapes.copy()
    for number in _LID_UNITS:
        shapes[number] *= 1 - stays
    return shapes
