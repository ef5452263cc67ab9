"""
Backgrounds of a portrait: what is behind the person.

A background is painted once, at the size of the base image, and becomes part of the
images that a rig warps. So it costs nothing per frame, and near the head it moves a
little with it.
"""

import re
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from renderer.package import BrokenAvatar, Package
from renderer.portrait.images import read_webp

FOLDER = "backgrounds"  # of the pictures in a package
MAX_PICTURES = 16  # in a package
_MAX_PICTURE_PIXELS = 4_000_000
_MAX_PICTURE_BYTES = 2 * 1024 * 1024
_SUFFIX = ".webp"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

# Where a background is wanted that viewers remove. Of the colours tried it is the
# farthest from skin, hair and clothes of the shipped avatars (docs/avatars.md).
KEY_COLOUR = "#00ff00"
TRANSPARENT = "transparent"

_CENTRE = (0.5, 0.42)  # of the light, as fractions of the image's width and height
_RADIUS = 0.95  # from the centre to where the edge's colour begins, image heights


Floats = npt.NDArray[np.float32]


class Background(Protocol):
    """Painter of what is behind a person."""

    def paint(self, columns: int, rows: int) -> Floats:
        """Return RGB 0..1 ``[3, rows, columns]``. Raises `BrokenAvatar`."""
        ...


@dataclass(frozen=True, slots=True)
class Gradient:
    """
    Radial gradient between two sRGB colours such as ``#93a8b0``.

    It is a wall with a soft light and no visible source. With twice the same colour it
    is exactly that colour.
    """

    centre: str
    edge: str

    def paint(self, columns: int, rows: int) -> Floats:
        """Return the gradient as RGB 0..1 ``[3, rows, columns]``."""
        centre, edge = _rgb(self.centre), _rgb(self.edge)
        x = (np.arange(columns) + 0.5 - _CENTRE[0] * columns) / rows
        y = (np.arange(rows) + 0.5 - _CENTRE[1] * rows) / rows
        distance = np.hypot(x[None], y[:, None]).astype(np.float32) / _RADIUS
        distance.clip(max=1, out=distance)
        smooth = distance * distance * (3 - 2 * distance)
        wall: Floats = centre + (edge - centre) * smooth
        return wall


@dataclass(frozen=True, slots=True)
class PackagedPicture:
    """Picture ``backgrounds/NAME.webp`` of a package."""

    package: Package
    name: str

    def paint(self, columns: int, rows: int) -> Floats:
        """
        Return the picture's largest centred part of that shape, scaled to it.

        It is RGB 0..1 ``[3, rows, columns]``. Raises `BrokenAvatar` if the picture
        cannot be read.
        """
        fitted = ImageOps.fit(self.read(), (columns, rows), Image.Resampling.LANCZOS)
        return np.moveaxis(np.asarray(fitted, np.float32), -1, 0) * np.float32(1 / 255)

    def read(self) -> Image.Image:
        """Return the picture as RGB. Raises `BrokenAvatar`."""
        file = f"{FOLDER}/{self.name}{_SUFFIX}"
        pixels = read_webp(self.package, file, _MAX_PICTURE_BYTES, _MAX_PICTURE_PIXELS)
        return Image.fromarray(pixels).convert("RGB")


def picture_names(package: Package) -> tuple[str, ...]:
    """Return the names of the pictures in a package. Raises `BrokenAvatar`."""
    files = package.files(FOLDER)
    names = tuple(sorted(file.removesuffix(_SUFFIX) for file in files))
    for file in files:
        name = file.removesuffix(_SUFFIX)
        if name in (file, TRANSPARENT) or not _NAME.fullmatch(name):
            raise BrokenAvatar(
                f"{FOLDER}/{file}: name each picture NAME{_SUFFIX}, with at most 40 "
                f"small letters, digits, '-' and '_', and not {TRANSPARENT}"
            )
    if len(names) > MAX_PICTURES:
        raise BrokenAvatar(
            f"{FOLDER} has {len(names)} pictures: remove some, {MAX_PICTURES} is the "
            "maximum"
        )
    return names


def is_colour(text: str) -> bool:
    """Tell whether a text is ``#`` and six hexadecimal digits."""
    return re.fullmatch("#[0-9a-fA-F]{6}", text) is not None


def _rgb(colour: str) -> Floats:
    """Return an sRGB hex colour as ``[3, 1, 1]`` in 0..1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return np.array(parts, np.float32).reshape(3, 1, 1)
