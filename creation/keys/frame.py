"""Frame of glasses in a photo: it stays stiff whatever the face below it does."""

from dataclasses import replace

import numpy as np

from creation.arrays import Floats, Mask, Picture
from creation.face_view import FaceView
from creation.fit.camera import camera_centre, project
from creation.fit.face import FittedFace
from creation.glasses import glasses_frame, lids
from creation.images import blur, grown, ramp, sample
from creation.plate import Plate
from creation.vision import Landmarks
from renderer.arkit import UNITS

# Around the pixels of a frame, of the distance of the eyes' outer corners: skin that
# stays with it, and the sigma over which moves come back.
_HELD, _SOFT = 0.02, 0.02
_PINNED = 0.5  # weight of a vertex that the plane of the frame is fitted to
# Beyond the outer corners of the eyes, where the frame turns back to the ears, in the
# same distance: it is as deep as the skin there.
_SIDE = (0.05, 0.25)
# A frame lies in front of the skin. By so much skin is moved forward, and back, where
# eyeballs are.
_BEFORE_M, _LARGEST_M, _BACK_M = 0.003, 0.012, 0.003
# Move by a blink, of the largest one: skin of a lid, which closes below any frame.
_LID = (0.2, 0.5)
_MOVED = (0.05, 0.2)  # the same, of skin whose depth is left alone
_BLINKS = [UNITS.index("eyeBlink" + side) for side in ("Left", "Right")]
_FEW = 12  # vertices that say too little of a plane


def find_frame(plate: Plate) -> Picture | None:
    """Return the frame of glasses in a plate, soft, ``[H, W]`` 0..1; None without."""
    view = FaceView(plate.picture, Landmarks(plate.landmarks, 1.0))
    frame = glasses_frame(view)
    if not frame.any():
        return None
    size = view.eye_distance
    held = grown(frame, max(1, round(_HELD * size))) & ~lids(view)
    soft = np.clip(1.6 * blur(held.astype(np.float32), _SOFT * size), 0, 1)
    x, y = np.arange(plate.width) + 0.5, np.arange(plate.height) + 0.5
    at = view.to_view(np.stack(np.meshgrid(x, y), -1))
    inside = ((at > 0) & (at < len(frame))).all(-1)
    return np.asarray(sample(soft[..., None], at)[..., 0] * inside, np.float32)


def with_stiff_frame(
    fitted: FittedFace, plate: Plate, camera: Floats, frame: Picture
) -> FittedFace:
    """
    Return a face whose skin below a ``frame`` ``[H, W]`` 0..1 only turns with the head.

    In front of the eyes it lies in one plane, so that it stays straight when the head
    turns. In the photo nothing moves: skin goes along the ray to its pixel.
    """
    xy, depth = project(fitted.photo, camera)
    skin = fitted.donor.part("skin") & (fitted.donor.skull > _PINNED)
    pinned = sample(frame[..., None], xy)[:, 0].astype(np.float64) * skin
    shapes = fitted.shapes * (1 - pinned)[:, None]
    still = np.ones(len(pinned))
    for number in _BLINKS:
        own = fitted.shapes[number]
        size = np.linalg.norm(own, axis=1)
        share = size / max(float(size.max()), 1e-9)
        shapes[number] = own * (1 - pinned * (1 - ramp(share, *_LID)))[:, None]
        still *= 1 - ramp(share, *_MOVED)
    right, left = plate.landmarks[[33, 263], 0]
    beside = np.maximum(right - xy[:, 0], xy[:, 0] - left) / (left - right)
    front = 1 - ramp(beside, *_SIDE)
    # A lid stays in front of its eyeball.
    moved = _towards_plane(xy, depth, pinned * front * still)
    centre = camera_centre(camera)
    move = (fitted.photo - centre) * (moved / depth)[:, None]
    # The shapes are smaller now: rest is the photo without what they do.
    photo = fitted.photo + move
    rest = photo - np.tensordot(fitted.expression, shapes, 1)
    return replace(fitted, photo=photo, rest=rest, shapes=shapes)


def _towards_plane(xy: Floats, depth: Floats, weight: Floats) -> Floats:
    """Return what to add to depths ``[V]`` so that a plane has those of weight 1."""
    chosen: Mask = weight > _PINNED
    if chosen.sum() < _FEW:
        return np.zeros(len(depth))
    middle = xy[chosen].mean(0)
    table = np.concatenate([np.ones((len(xy), 1)), (xy - middle) / 100], 1)
    # The inverse depth of a plane is linear in the picture.
    found = np.linalg.lstsq(table[chosen], 1 / depth[chosen], rcond=None)[0]
    plane = 1 / np.maximum(table @ found, 1e-6)
    moved: Floats = (plane - _BEFORE_M - depth).clip(-_LARGEST_M, _BACK_M) * weight
    return moved
