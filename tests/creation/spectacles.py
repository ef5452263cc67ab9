"""Glasses, painted on a picture of a face."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from creation.arrays import Floats, Picture

_FINE = 4  # samples per pixel and axis
_EYES = ((33, 133, -1), (362, 263, 1))  # corners, and the side of the picture
_EARS = (127, 356)
_INSIDE = 0.02  # by which rims stand farther out than eyes
_LOW = 0.03  # and lower


@dataclass(frozen=True, slots=True)
class Look:
    """Look of glasses; lengths in distances of the eyes' outer corners."""

    colour: tuple[int, int, int]
    thickness: float
    half_width: float = 0.3
    half_height: float = 0.22
    squareness: float = 3.0  # 2 is an ellipse
    upper_only: bool = False
    lens: tuple[int, int, int] | None = None


LOOKS = {
    "thin": Look((30, 24, 22), 0.014),
    "thick": Look((18, 16, 16), 0.05),
    "brown": Look((92, 54, 28), 0.04, half_height=0.25, squareness=2.5),
    "blue": Look((40, 70, 150), 0.03),
    "white": Look((235, 232, 228), 0.035),
    "upper": Look((30, 24, 22), 0.03, half_height=0.18, upper_only=True),
    "sunglasses": Look((30, 24, 22), 0.03, half_height=0.25, lens=(20, 18, 20)),
}


def with_glasses(picture: Picture, points: Floats, look: Look) -> Picture:
    """Return a picture with glasses on the face with landmarks ``[478, 2]``."""
    height, width = picture.shape[:2]
    size = (width * _FINE, height * _FINE)
    frame, lens = Image.new("L", size), Image.new("L", size)
    at = points[:, :2] * _FINE
    apart = at[263] - at[33]
    length = float(np.linalg.norm(apart))
    axes = np.stack([apart, [-apart[1], apart[0]]])  # [2, 2]: across, down
    line = max(1, round(look.thickness * length))
    inner, outer = [], []
    for one, other, side in _EYES:
        middle = (at[one] + at[other]) / 2 + np.array([_INSIDE * side, _LOW]) @ axes
        rim = middle + _rim(look) @ axes
        ImageDraw.Draw(lens).polygon([*map(tuple, rim)], fill=255)
        shown = rim[_rim(look)[:, 1] < 0] if look.upper_only else rim
        _draw(frame, shown, line)
        inner.append(middle - np.array([look.half_width * side, 0.03]) @ axes)
        outer.append(middle + np.array([look.half_width * side, -0.05]) @ axes)
    share = np.linspace(0, 1, 15)[:, None]
    rise = np.array([[0, -0.05]]) @ axes * np.sin(np.pi * share)
    _draw(frame, inner[0] + share * (inner[1] - inner[0]) + rise, line)
    for hinge, ear in zip(outer, _EARS, strict=True):
        _draw(frame, np.stack([hinge, at[ear]]), line)
    if look.lens is not None:
        picture = _over(picture, lens, look.lens)
    return _over(picture, frame, look.colour)


def _rim(look: Look) -> Floats:
    turn = np.linspace(0, 2 * np.pi, 97) - np.pi
    power = 2 / look.squareness
    x, y = np.cos(turn), np.sin(turn)
    x, y = np.sign(x) * np.abs(x) ** power, np.sign(y) * np.abs(y) ** power
    return np.stack([look.half_width * x, look.half_height * y], 1)


def _draw(mask: Image.Image, points: Floats, width: int) -> None:
    ImageDraw.Draw(mask).line([*map(tuple, points)], 255, width, joint="curve")


def _over(picture: Picture, mask: Image.Image, colour: tuple[int, ...]) -> Picture:
    share = np.asarray(mask.reduce(_FINE), np.float32)[..., None] / 255
    paint = np.array(colour, np.float32) / 255
    return np.asarray(picture + share * (paint - picture), np.float32)
