"""Close-ups: their boxes in the plate, and the painting of all keyframes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from creation.arrays import Floats, Picture
from creation.fit.camera import project
from creation.images import resized, sample
from creation.keys.donor_pictures import DonorPictures
from creation.keys.eye_layer import eye_layer
from creation.keys.fields import Source
from creation.keys.gains import skin_gains
from creation.keys.head import Head, unit
from creation.keys.inside import InnerMouth
from creation.keys.keyframe import Keyframe, Painter
from creation.keys.view import Box
from creation.vision.rings import CHIN, FOREHEAD, OVAL
from renderer.portrait.layout import CLOSEUP_CELL_PX, CLOSEUPS, FEATHER_PX

_NOSE = 195  # landmark above which no mouth's box reaches
_MOVED_PX = 4.0  # the mouth's box holds every vertex that a unit moves by more
_MOUTH_MARGIN_PX = 6
_EYE_MARGIN_PX = 14  # around an eyeball, for the lids
_OVAL_MARGIN_PX = 4
_BELOW_CHIN = 0.2  # face heights that the mouth's box reaches below the chin
_WHOLE = 0.999  # alpha of a pixel that shows no background
# Weights at which these units stretch the mouth's box.
_STRETCHING = {
    "jawOpen": 0.75, "mouthPucker": 0.9, "mouthFunnel": 0.7,
    "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5,
}  # fmt: skip

Report = Callable[[int, int], None]  # number of keyframes that are painted, and of all


@dataclass(frozen=True, slots=True)
class CloseupKeys:
    """Keyframes of one close-up."""

    name: str
    box: Box
    weights: Floats  # [K, U]
    features: Floats  # [U, M]
    keyframes: tuple[Keyframe, ...]


def paint_closeups(
    head: Head, report: Report, numbers: dict[str, list[int]] | None = None
) -> list[CloseupKeys]:
    """
    Paint the keyframes of mouth and eyes.

    ``numbers`` chooses keyframes of the donor by close-up; the default is all of them.
    """
    pictures = DonorPictures.of(head.donor)
    painter = make_painter(head, pictures)
    chosen = {
        name: list(range(len(pictures.weights(name))))
        if numbers is None else numbers.get(name, [])
        for name in CLOSEUPS
    }  # fmt: skip
    total, done, out = sum(map(len, chosen.values())), 0, []
    for name in CLOSEUPS:
        box, keyframes = closeup_box(head, name), []
        for number in chosen[name]:
            keyframes.append(painter.paint(name, number, box))
            done += 1
            report(done, total)
        features = pictures.closeups[name].features.astype(np.float64)
        features = features * head.fitted.unit_scales[:, None]
        weights = pictures.weights(name)[chosen[name]]
        out.append(CloseupKeys(name, box, weights, features, tuple(keyframes)))
    return out


def make_painter(head: Head, pictures: DonorPictures) -> Painter:
    """Return the painter of a head's keyframes."""
    gains = skin_gains(head, pictures)
    return Painter(
        Source.of(head, gains, pictures),
        InnerMouth.of(head, gains, pictures),
        eye_layer(head),
    )


def closeup_box(head: Head, name: str) -> Box:
    """Return left, top, right and bottom of a close-up in whole cells of the plate."""
    low, high = _mouth_extent(head) if name == "mouth" else _eye_extent(head, name)
    cell = CLOSEUP_CELL_PX
    left, top = (int(max(0, side)) // cell * cell for side in low)
    right, bottom = (-(-int(side) // cell) * cell for side in high)
    plate = head.plate
    return left, top, min(right, plate.width), min(bottom, plate.height)


def _eye_extent(head: Head, name: str) -> tuple[Floats, Floats]:
    balls = head.donor.part("eyes")
    xy, _ = project(head.fitted.rest[balls], head.fitted.camera)
    is_right = xy[:, 0] < np.median(xy[:, 0])  # the person's right, left in the plate
    own = xy[is_right if name == "eyeRight" else ~is_right]
    margin = FEATHER_PX + _EYE_MARGIN_PX
    return own.min(0) - margin, own.max(0) + margin


def _mouth_extent(head: Head) -> tuple[Floats, Floats]:
    fitted, drawn = head.fitted, head.drawn
    still, _ = project(fitted.rest[drawn], fitted.camera)
    points = []
    for name, weight in _STRETCHING.items():
        shape = fitted.shapes[unit(name), drawn]
        moved, _ = project(fitted.rest[drawn] + weight * shape, fitted.camera)
        far = np.abs(moved - still).max(1) > _MOVED_PX
        points += [still[far], moved[far]]
    extent = np.concatenate(points)
    margin = FEATHER_PX + _MOUTH_MARGIN_PX
    low, high = extent.min(0) - margin, extent.max(0) + margin
    marks = head.plate.landmarks
    oval = marks[list(OVAL), 0]
    below = _BELOW_CHIN * (marks[CHIN, 1] - marks[FOREHEAD, 1])
    low = np.maximum(low, [oval.min() - _OVAL_MARGIN_PX, marks[_NOSE, 1]])
    high = np.minimum(high, [oval.max() + _OVAL_MARGIN_PX, marks[CHIN, 1] + below])
    return low, high


def tiled(closeup: CloseupKeys, columns: int) -> Picture:
    """Return the keyframes side by side, row by row; what is left over is black."""
    tiles = np.stack([keyframe.picture for keyframe in closeup.keyframes])
    count, rows, width = tiles.shape[:3]
    down = -(-count // columns)
    channels = tiles.shape[3]
    page = np.zeros((down * columns, rows, width, channels), np.float32)
    page[:count] = tiles
    return np.asarray(
        page.reshape(down, columns, rows, width, channels)
        .swapaxes(1, 2).reshape(down * rows, columns * width, channels)
    )  # fmt: skip


def with_alpha(closeup: CloseupKeys, alpha: Picture) -> CloseupKeys:
    """
    Return the keyframes with the plate's ``alpha`` ``[H, W]`` as their fourth channel.

    A box that lies in the person alone stays as it is.
    """
    covers = []
    for frame in closeup.keyframes:
        places = frame.plate_at.astype(np.float32)
        points = resized(places, *frame.picture.shape[:2])
        covers.append(sample(alpha[..., None], points))
    if min(float(cover.min()) for cover in covers) >= _WHOLE:
        return closeup
    frames = tuple(
        replace(frame, picture=np.concatenate([frame.picture, cover], -1))
        for frame, cover in zip(closeup.keyframes, covers, strict=True)
    )
    return replace(closeup, keyframes=frames)
