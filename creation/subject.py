"""Person in a photo: one face, upright, that an avatar can be made from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from creation.arrays import Picture
from creation.checks import (
    PhotoWarning,
    face_cut,
    face_height,
    refuse_unfit,
    warnings,
)
from creation.refusals import RefusedPhoto
from creation.vision import (
    FoundFace,
    Landmarks,
    find_faces,
    landmarks,
    person_mask,
    quarters_to_upright,
)

_MIN_SCORE = 0.7
# Cups and badges that pass the detector have up to 0.998, and faces over 1 - 1e-8, also
# masked, turned ones and ones of 40 pixels.
_MIN_PRESENCE = 0.9995
_MAX_FACES = 8  # the largest, of a crowd
_MIN_BYSTANDER = 0.5  # height of the second face in heights of the first
_QUARTERS = (0, 1, 3, 2)  # counter-clockwise: the order in which a face is looked for
_PADDING = 0.4  # of the shorter side, mirrored, to find a face that the border cuts


@dataclass(frozen=True, slots=True)
class Subject:
    """Person of a photo, in pixels of the photo that has been turned upright."""

    picture: Picture  # [H, W, 3]
    landmarks: Landmarks
    mask: Picture  # [H, W] 0..1: probability of a person
    warnings: list[PhotoWarning]


@dataclass(frozen=True, slots=True)
class FaceOfPhoto:
    """Face that was found, in pixels of the photo that has been turned upright."""

    width: int
    height: int
    quarters: int  # by which the photo was turned, counter-clockwise
    landmarks: Landmarks


def _nobody_asks(_: FaceOfPhoto) -> None:
    pass


def find_subject(
    picture: Picture, report: Callable[[FaceOfPhoto], None] = _nobody_asks
) -> Subject:
    """
    Return the person in a picture, which is turned if it lies on its side or its head.

    Smaller faces are ignored. ``report`` gets the largest face before it is checked.
    Raises `RefusedPhoto`: ``no_face``, ``many_faces`` or what `refuse_unfit` raises;
    and `WeightsMissing`.
    """
    picture, quarters, faces = _upright(picture)
    height, width = picture.shape[:2]
    report(FaceOfPhoto(width, height, quarters, faces[0]))
    first, *others = faces
    if others and face_height(others[0]) >= _MIN_BYSTANDER * face_height(first):
        raise RefusedPhoto(
            "many_faces",
            "There are several faces: choose a photo of one person, or cut the others "
            "off.",
        )
    refuse_unfit(picture, first)
    mask = person_mask(picture)
    return Subject(picture, first, mask, warnings(picture, first, mask))


def _upright(picture: Picture) -> tuple[Picture, int, list[Landmarks]]:
    """
    Return the picture in which the largest face is upright, and its faces.

    Between them are the quarters by which it was turned.
    """
    for quarter in _QUARTERS:
        turned = np.rot90(picture, quarter)
        found, turns = _found(turned), 0
        if found and (turns := quarters_to_upright(turned, found[0])):
            turned = np.rot90(turned, turns)
            found = _found(turned)
        if faces := _with_landmarks(turned, found):
            return np.ascontiguousarray(turned), (quarter + turns) % 4, faces
    padding = round(_PADDING * min(picture.shape[:2]))
    padded = np.pad(picture, ((padding,) * 2, (padding,) * 2, (0, 0)), mode="reflect")
    if _with_landmarks(padded, _found(padded)):
        raise face_cut()
    raise RefusedPhoto(
        "no_face", "No face was found: choose a photo of a face from the front."
    )


def _found(picture: Picture) -> list[FoundFace]:
    """Return the largest faces that the detector is sure of, the largest first."""
    found = [face for face in find_faces(picture) if face.score >= _MIN_SCORE]
    return sorted(found, key=lambda face: face.box[0] - face.box[2])[:_MAX_FACES]


def _with_landmarks(picture: Picture, found: list[FoundFace]) -> list[Landmarks]:
    """Return the landmarks of those that are faces, the largest face first."""
    distinct: list[Landmarks] = []
    for face in found:
        points = landmarks(picture, face)
        if points.presence >= _MIN_PRESENCE and not any(
            _is_same(points, other) for other in distinct
        ):
            distinct.append(points)
    return sorted(distinct, key=face_height, reverse=True)


def _is_same(one: Landmarks, other: Landmarks) -> bool:
    """Return whether two finds are one face: their noses are near each other."""
    nose = one.points[4, :2] - other.points[4, :2]
    return bool(np.linalg.norm(nose) < 0.4 * max(face_height(one), face_height(other)))
