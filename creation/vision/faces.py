"""Faces of a picture, and the 478 landmarks of each."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from creation.arrays import Picture
from creation.images import resized
from creation.vision import landmarker, rings
from creation.vision.crop import Points, Square, mirrored
from creation.vision.detector import SIDE, Detector, anchors
from creation.vision.landmarker import Landmarker
from creation.vision.weights import loaded

_MIN_SCORE = 0.5
_MAX_OVERLAP = 0.3  # of the smaller box; above, two finds are the same face
# Sides of the tiles that are searched, in shorter sides of the picture. The network
# does not find faces below about a tenth of its input.
_TILES = (0.6, 0.3)
_MIN_TILE = 48  # pixels
# Shorter side of the picture that is searched, in pixels. The smallest tile then has
# almost twice the pixels of the network's input, and cutting it out takes little time.
_SEARCHED_PX = 800
_ROUNDS = 3  # each round cuts the face out where the one before has found it
_MARGIN = 1.5  # side of the cut square, in sides of the face
_SURROUNDINGS = 2.2  # the same, for the detector


@dataclass(frozen=True, slots=True)
class FoundFace:
    """Face that the detector has found, in pixels of the picture."""

    score: float  # 0.5..1
    box: Points  # [4] left, top, right, bottom; from brows to chin
    keypoints: Points  # [6, 2] right eye, left eye, nose, mouth, right ear, left ear


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Landmarks of a face, numbered as in `creation.vision.rings`."""

    points: Points  # [478, 3] pixels: x right, y down, z away from the camera
    presence: float  # 0..1: whether there is a face


def find_faces(picture: Picture) -> list[FoundFace]:
    """
    Return the faces of ``picture`` ``[H, W, 3]``, float32 0..1, best score first.

    The whole picture is searched, then overlapping tiles of it, and smaller ones if
    that gives no face. Raises `WeightsMissing`.
    """
    scale = max(1.0, min(picture.shape[:2]) / _SEARCHED_PX)
    if scale > 1:
        picture = resized(picture, *(round(n / scale) for n in picture.shape[:2]))
    return [
        FoundFace(face.score, face.box * scale, face.keypoints * scale)
        for face in _search(picture)
    ]


def _search(picture: Picture) -> list[FoundFace]:
    """Return the faces of a picture, best score first."""
    height, width = picture.shape[:2]
    side, short = max(height, width), min(height, width)
    found = _found_in(picture, Square(width / 2, height / 2, side))
    for share in _TILES:
        if share * short < _MIN_TILE:
            break
        for tile in _tiles(width, height, share * short):
            found += _found_in(picture, tile)
        if found:
            break
    return _distinct(found)


def landmarks(picture: Picture, face: FoundFace) -> Landmarks:
    """
    Return the landmarks of a face: the mean of the picture and its mirror image.

    ``picture`` is ``[H, W, 3]``, float32 0..1. Raises `WeightsMissing`.
    """
    right, left = face.keypoints[:2]
    centre = (face.box[:2] + face.box[2:]) / 2
    side = _MARGIN * float(np.max(face.box[2:] - face.box[:2]))
    square = Square(centre[0], centre[1], side, _angle(right, left))
    for _ in range(_ROUNDS):
        seen = _landmarks_in(picture, square)
        square = _square_around(seen.points)
    width = picture.shape[1]
    other = _landmarks_in(picture[:, ::-1], mirrored(square, width)).points
    other = other[rings.MIRROR] * (-1, 1, 1) + (width, 0, 0)
    return Landmarks((seen.points + other) / 2, seen.presence)


def quarters_to_upright(picture: Picture, face: FoundFace) -> int:
    """
    Return how many quarters, counter-clockwise, turn the face upright.

    Detector and landmarker find a face at any angle, and take some that stand on their
    head for upright ones. But the detector is surest of upright ones.
    """
    x, y = (face.box[:2] + face.box[2:]) / 2
    side = _SURROUNDINGS * float(np.max(face.box[2:] - face.box[:2]))
    turns = [Square(x, y, side, math.radians(90 * quarter)) for quarter in range(4)]
    with torch.inference_mode():
        pixels = torch.cat([square.cut(picture, SIDE) for square in turns])
        logits, _ = loaded(Detector)(pixels * 2 - 1)
    return int(logits.amax(1).argmax())


def _tiles(width: int, height: int, side: float) -> Iterator[Square]:
    """Yield squares that cover the picture and overlap by half or more."""
    for y in _middles(height, side):
        for x in _middles(width, side):
            yield Square(x, y, side)


def _middles(length: int, side: float) -> npt.NDArray[np.float64]:
    count = math.ceil((length - side) / (side / 2)) + 1
    return np.linspace(side / 2, length - side / 2, count)


def _found_in(picture: Picture, square: Square) -> list[FoundFace]:
    with torch.inference_mode():
        pixels = square.cut(picture, SIDE)
        [logits], [values] = loaded(Detector)(pixels * 2 - 1)
    scores = torch.sigmoid(logits)
    kept = scores > _MIN_SCORE
    corners = values[kept].double().reshape(-1, 8, 2)
    at = anchors()[kept].double()
    size = corners[:, 1]
    points = (corners + at[:, None]).numpy()
    points[:, 1] = points[:, 0] + size.numpy() / 2  # right bottom
    points[:, 0] -= size.numpy() / 2
    points = square.to_picture(points, SIDE)
    return [
        FoundFace(score, corner[:2].reshape(4), corner[2:])
        for score, corner in zip(scores[kept].tolist(), points, strict=True)
    ]


def _distinct(found: list[FoundFace]) -> list[FoundFace]:
    """Return the best of the finds that overlap each other, best score first."""
    distinct: list[FoundFace] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(_overlap(face.box, one.box) < _MAX_OVERLAP for one in distinct):
            distinct.append(face)
    return distinct


def _overlap(one: Points, other: Points) -> float:
    """Return the share of the smaller box that both boxes cover."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    common = np.prod(np.maximum(high - low, 0))
    return float(common / min(np.prod(box[2:] - box[:2]) for box in (one, other)))


def _landmarks_in(picture: Picture, square: Square) -> Landmarks:
    """Return the landmarks of the face that fills the square."""
    with torch.inference_mode():
        seen = loaded(Landmarker)(square.cut(picture, landmarker.SIDE))
    mesh = seen.mesh[0].double().numpy()
    points = np.concatenate([mesh, np.zeros((rings.COUNT - len(mesh), 3))])
    for numbers, refined in (
        (rings.LIP_POINTS, seen.lips),
        (rings.RIGHT_EYE_POINTS, seen.right_eye),
        (rings.LEFT_EYE_POINTS, seen.left_eye),
        (rings.RIGHT_IRIS, seen.right_iris),
        (rings.LEFT_IRIS, seen.left_iris),
    ):
        points[list(numbers), :2] = refined[0].double().numpy()
    # An iris has no depth of its own: it lies as deep as the rim of its lids.
    for iris, lids in (
        (rings.RIGHT_IRIS, rings.RIGHT_EYE),
        (rings.LEFT_IRIS, rings.LEFT_EYE),
    ):
        points[list(iris), 2] = points[list(lids), 2].mean()
    plane = square.to_picture(points[:, :2], landmarker.SIDE)
    depth = points[:, 2:] * square.side / landmarker.SIDE
    presence = torch.sigmoid(seen.presence[0]).item()
    return Landmarks(np.concatenate([plane, depth], 1), presence)


def _square_around(points: Points) -> Square:
    """Return the square around the face, turned upright by its eyes."""
    right, left = points[33, :2], points[263, :2]
    angle = _angle(right, left)
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])  # columns: the axes of the square
    own = points[: landmarker.MESH, :2] @ turn
    low, high = own.min(0), own.max(0)
    centre = turn @ ((low + high) / 2)
    return Square(centre[0], centre[1], _MARGIN * float(np.max(high - low)), angle)


def _angle(right: Points, left: Points) -> float:
    """Return the angle in radians at which a face is turned, from its eyes."""
    x, y = left - right
    return math.atan2(y, x)
