"""
Checks of the face in a photo: what is refused, and what is warned of.

The landmarks do not say whether lips and eyes can be seen: the network draws them on
masks and sunglasses too. So colours are compared: whites of the eyes with irises, lips
with the skin around them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from creation.arrays import Picture
from creation.face_view import SIDE, Area, FaceView
from creation.glasses import has_glasses
from creation.refusals import RefusedPhoto
from creation.vision import rings
from creation.vision.crop import Points
from creation.vision.faces import Landmarks

_MIN_FACE_PX = 100  # forehead to chin
_SOFT_FACE_PX = 250
_MAX_YAW_DEG = 25
_MAX_NOD_DEG = 20
# A forehead lies behind the chin: this is the pitch of the line between them when the
# head is upright. Measured at the shipped avatars; they turned by up to 30 degrees show
# both angles within 3 degrees, up to the limits above.
_UPRIGHT_PITCH_DEG = 12.4
_MAX_OUTSIDE = 0.02  # of the height of the face: the rest of the oval must be inside

_MIN_OPENING = 0.09  # area of the eye, in squares of its width; closed: 0.04
_MIN_EYE_CONTRAST = 0.12  # of white to iris, (a - b) / (a + b); seen: 0.3 to 0.85
_MIN_LID_LUMA = (
    0.4  # of the skin below the eyes, in lumas of the cheeks; seen: from 0.6
)
_MIN_LIP_REDNESS = 0.07  # log of red to green, above the skin around
_MIN_LIP_LINE = 0.03  # darkness of the line between lips, in lumas of the cheeks
# Seen, the line has from 0.07, mostly from 0.2; hands and masks have up to 0.01.
_LIP_COLUMNS = (  # landmarks below each other: upper lip's edges, lower lip's edges
    *((40, 80, 88, 91), (39, 81, 178, 181), (37, 82, 87, 84), (0, 13, 14, 17)),
    *((267, 312, 317, 314), (269, 311, 402, 405), (270, 310, 318, 321)),
)

_PARTED = 0.05  # distance of the inner lips, in widths of the mouth
_LAUGH_GAP, _LAUGH_WIDTH = 0.18, 0.66  # width in distances of the outer corners of eyes
_MIN_TEETH = 0.2  # share of the open mouth that is as bright and pale as teeth


@dataclass(frozen=True, slots=True)
class PhotoWarning:
    """Something in a photo that makes the avatar worse; ``code`` is for programs."""

    code: str
    text: str  # one sentence


def refuse_unfit(picture: Picture, landmarks: Landmarks) -> None:
    """
    Raise `RefusedPhoto` if no avatar can be made from this face.

    Codes: ``too_small``, ``face_cut``, ``not_frontal``, ``eyes_hidden`` and
    ``mouth_hidden``.
    """
    height = face_height(landmarks)
    if height < _MIN_FACE_PX:
        raise RefusedPhoto(
            "too_small",
            f"The face has {height:.0f} pixels from forehead to chin: choose a photo "
            f"where it has at least {_MIN_FACE_PX}, or better {_SOFT_FACE_PX}.",
        )
    if _is_cut(picture, landmarks):
        raise face_cut()
    yaw, pitch = head_angles_deg(landmarks)
    if abs(yaw) > _MAX_YAW_DEG or abs(pitch) > _MAX_NOD_DEG:
        raise RefusedPhoto(
            "not_frontal",
            "The head is turned away: choose a photo that looks into the camera.",
        )
    view = FaceView(picture, landmarks)
    if min(_opening(view, rim) for rim in (rings.RIGHT_EYE, rings.LEFT_EYE)) < (
        _MIN_OPENING
    ):
        raise RefusedPhoto(
            "eyes_hidden", "The eyes are closed: choose a photo with open eyes."
        )
    if _are_eyes_hidden(view):
        raise RefusedPhoto(
            "eyes_hidden",
            "The eyes are covered or too dark: choose a photo without sunglasses that "
            "shows both eyes.",
        )
    if _is_mouth_hidden(view):
        raise RefusedPhoto(
            "mouth_hidden",
            "The mouth is covered: choose a photo without a mask, hand or cup before "
            "it.",
        )


def warnings(
    picture: Picture, landmarks: Landmarks, mask: Picture
) -> list[PhotoWarning]:
    """
    Return what will make the avatar of this face worse.

    ``mask`` ``[H, W]`` is that of `person_mask`.
    """
    view = FaceView(picture, landmarks)
    found: list[PhotoWarning] = []
    if (height := face_height(landmarks)) < _SOFT_FACE_PX:
        text = (
            f"The face has {height:.0f} pixels from forehead to chin, so the avatar "
            "will be soft at 1080p."
        )
        found.append(PhotoWarning("small_face", text))
    if _is_hair_cut(landmarks, mask):
        text = "The hair is cut by the upper border: a photo with all of it is better."
        found.append(PhotoWarning("hair_cut", text))
    if has_glasses(view):
        text = (
            "There are glasses, whose frame stays stiff, and brows that touch it: a "
            "photo without them will be better."
        )
        found.append(PhotoWarning("glasses", text))
    return [*found, *_mouth_warnings(view)]


def face_cut() -> RefusedPhoto:
    """Return the refusal of a face that reaches beyond the border of the photo."""
    return RefusedPhoto(
        "face_cut",
        "The face is cut by the border: choose a photo that shows all of the head.",
    )


def face_height(landmarks: Landmarks) -> float:
    """Return the distance from forehead to chin in pixels."""
    top, chin = landmarks.points[[rings.FOREHEAD, rings.CHIN]]
    return float(np.linalg.norm(chin - top))


def head_angles_deg(landmarks: Landmarks) -> tuple[float, float]:
    """Return yaw (> 0: to the left of the picture) and pitch (> 0: chin raised)."""
    right, left = landmarks.points[list(rings.TEMPLES)]
    top, chin = landmarks.points[[rings.FOREHEAD, rings.CHIN]]
    across, down = left - right, chin - top
    yaw = math.degrees(math.atan2(across[2], math.hypot(across[0], across[1])))
    pitch = math.degrees(math.atan2(down[2], math.hypot(down[0], down[1])))
    return yaw, _UPRIGHT_PITCH_DEG - pitch


def _is_cut(picture: Picture, landmarks: Landmarks) -> bool:
    oval = landmarks.points[list(rings.OVAL), :2]
    outside = np.maximum(-oval, oval - picture.shape[1::-1])
    return bool(outside.max() > _MAX_OUTSIDE * face_height(landmarks))


def _is_hair_cut(landmarks: Landmarks, mask: Picture) -> bool:
    x = landmarks.points[list(rings.OVAL), 0].clip(0, mask.shape[1] - 1)
    above = mask[: max(1, len(mask) // 200), int(x.min()) : int(x.max()) + 1]
    return bool((above > 0.5).mean() > 0.15)


def _opening(view: FaceView, rim: tuple[int, ...]) -> float:
    """Return the area of an open eye, in squares of its width."""
    width = view.distance(rim[0], rim[8])
    return float(view.polygon(_ring(view, rim)).sum() / max(width * width, 1))


def _are_eyes_hidden(view: FaceView) -> bool:
    eyes = (
        (rings.RIGHT_EYE, rings.RIGHT_IRIS),
        (rings.LEFT_EYE, rings.LEFT_IRIS),
    )
    if min(_eye_contrast(view, *eye) for eye in eyes) < _MIN_EYE_CONTRAST:
        return True
    # Reflections on dark lenses look like whites, but the skin below is dark too.
    return max(_luma_below(view, rim) for rim, _ in eyes) < _MIN_LID_LUMA


def _eye_contrast(view: FaceView, rim: tuple[int, ...], iris: tuple[int, ...]) -> float:
    inside = view.polygon(_ring(view, rim))
    centre, *edge = view.points[list(iris)]
    radius = float(np.mean([np.linalg.norm(point - centre) for point in edge]))
    whites = view.luma[inside & ~view.disc(centre, 1.2 * radius)]
    irises = view.luma[inside & view.disc(centre, 0.8 * radius)]
    if not whites.size or not irises.size:
        return 1.0  # the eye looks far aside
    white, dark = float(np.percentile(whites, 75)), float(np.percentile(irises, 25))
    return (white - dark) / max(white + dark, 0.01)


def _luma_below(view: FaceView, rim: tuple[int, ...]) -> float:
    """Return the luma of the skin below an eye, in lumas of the cheeks."""
    ring = _ring(view, rim)
    middle = ring.mean(0)
    around = view.polygon((ring - middle) * (1.1, 2.4) + middle)
    around &= ~view.polygon((ring - middle) * (1.15, 1.5) + middle)
    around[: int(middle[1])] = False
    return float(np.median(view.luma[around])) / view.skin_luma if around.any() else 1.0


def _is_mouth_hidden(view: FaceView) -> bool:
    outer = _ring(view, rings.LIPS_OUTER)
    lips = view.polygon(outer) & ~view.polygon(_ring(view, rings.LIPS_INNER))
    middle = outer.mean(0)
    around = view.polygon((outer - middle) * (1.3, 1.6) + middle)
    around &= ~view.polygon((outer - middle) * (1.12, 1.25) + middle)
    if not lips.any() or not around.any():
        return False
    redness = _redness(view, lips) - _redness(view, around)
    line = float(np.median([_lip_line(view, *column) for column in _LIP_COLUMNS]))
    return redness < _MIN_LIP_REDNESS and line < _MIN_LIP_LINE


def _redness(view: FaceView, area: Area) -> float:
    red, green, _ = view.colours[area].T + 0.03
    return float(np.median(np.log(red / green)))


def _lip_line(view: FaceView, *column: int) -> float:
    """Return how much darker than both lips it is between them, in one column."""
    x = int(view.points[list(column[1:3]), 0].mean())
    top, upper, lower, bottom = view.points[list(column), 1].clip(0, SIDE - 1)
    luma = view.luma[:, min(max(x, 0), SIDE - 1)]
    start, end = int((top + upper) / 2), int((lower + bottom) / 2)
    darkest = start + int(luma[start : max(end, start) + 1].argmin())
    above = luma[min(int(top), darkest) : darkest + 1].max()
    below = luma[darkest : max(int(bottom), darkest) + 1].max()
    return float(min(above, below) - luma[darkest]) / view.skin_luma


def _mouth_warnings(view: FaceView) -> Iterator[PhotoWarning]:
    mouth = view.distance(*rings.MOUTH_CORNERS)
    gap = view.distance(*rings.INNER_LIPS) / mouth
    if gap < _PARTED:
        return
    inside = view.polygon(_ring(view, rings.LIPS_INNER))
    colours, luma = view.colours[inside], view.luma[inside]
    spread = (colours.max(1) - colours.min(1)) / (colours.max(1) + 0.02)
    skin = view.skin_colour
    pale = max(0.45, float(np.ptp(skin) / (skin.max() + 0.02)))
    is_tooth = (luma > 0.5 * view.skin_luma) & (spread < pale)
    better = "a photo with closed lips will be better."
    if gap > _LAUGH_GAP and mouth > _LAUGH_WIDTH * view.eye_distance:
        yield PhotoWarning("laugh", f"The person laughs: {better}")
    elif is_tooth.size and is_tooth.mean() > _MIN_TEETH:
        yield PhotoWarning("teeth", f"The teeth are seen: {better}")
    else:
        yield PhotoWarning("open_mouth", f"The mouth is open: {better}")


def _ring(view: FaceView, numbers: tuple[int, ...]) -> Points:
    return view.points[rings.outline(numbers)]
