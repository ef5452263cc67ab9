"""
A portrait's files: ``surface.npz`` and the pictures ``plate.webp``, ``mouth.webp``, …

docs/avatars.md says what is in them; everything is checked before it is used.
"""

import io
import zipfile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from renderer.arkit import UNITS
from renderer.likeness import Cells, Closeup, Likeness, Surface
from renderer.package import BrokenAvatar, Package

CLOSEUPS = ("mouth", "eyeLeft", "eyeRight")
PLATE_STEP = 8  # plate pixels between two cells
CLOSEUP_STEP = 4
FEATHER = 22  # plate pixels

_MOST_PIXELS = 60_000_000
_LARGEST = 64 * 1024 * 1024  # bytes of a file
Array = npt.NDArray[np.generic]


def read_likeness(package: Package) -> Likeness:
    """All of a portrait. Raises `BrokenAvatar`."""
    arrays = _Arrays(package.read("surface.npz", _LARGEST))
    count = len(arrays.get("neutral", "f", (None, 3)))
    surface = _surface(arrays, count)
    plate = _picture(package, "plate.webp")
    _, rows, columns = plate.shape
    shape = (rows // PLATE_STEP, columns // PLATE_STEP)
    return Likeness(
        surface=surface,
        plate=plate,
        cells=_cells(arrays, "plate", shape, count, PLATE_STEP),
        closeups=tuple(_closeup(arrays, package, name, count) for name in CLOSEUPS),
    )


def _surface(arrays: "_Arrays", count: int) -> Surface:
    sizes = arrays.tensor("shape_sizes", "f", (len(UNITS),))
    shapes = arrays.tensor("shapes", "i", (len(UNITS), count, 3))
    return Surface(
        neutral=arrays.tensor("neutral", "f", (count, 3)),
        shapes=shapes * sizes[:, None, None],
        skull=arrays.tensor("skull", "u", (count,)) / 255,
        rise=arrays.tensor("rise", "u", (count,)) / 255,
        camera=arrays.tensor("camera", "f", (3, 4)),
        pivot=arrays.tensor("pivot", "f", (3,)),
        up=arrays.tensor("breath", "f", (3,)),
    )


def _closeup(arrays: "_Arrays", package: Package, name: str, count: int) -> Closeup:
    left, top, right, bottom = map(int, arrays.get(f"{name}_box", "i", (4,)))
    rows, columns = bottom - top, right - left
    faces = arrays.tensor(f"{name}_faces", "f", (None, len(UNITS)))
    keys = len(faces)
    pictures = _picture(package, f"{name}.webp")
    if rows <= 0 or columns <= 0 or pictures.shape[1:] != (keys * rows, columns):
        raise BrokenAvatar(
            f"{name}.webp is {pictures.shape[2]} x {pictures.shape[1]} pixels; its "
            f"{keys} keys of {columns} x {rows} below each other need "
            f"{columns} x {keys * rows}"
        )
    shape = (keys, rows // CLOSEUP_STEP, columns // CLOSEUP_STEP)
    return Closeup(
        name=name,
        left=left,
        top=top,
        pictures=pictures.view(4, keys, rows, columns).transpose(0, 1),
        cells=_cells(arrays, name, shape, count, CLOSEUP_STEP),
        faces=faces,
        measure=arrays.tensor(f"{name}_measure", "f", (len(UNITS), None)),
        feather=FEATHER,
    )


def _cells(
    arrays: "_Arrays", name: str, shape: tuple[int, ...], count: int, step: int
) -> Cells:
    corners = arrays.get(f"{name}_corners", "u", (*shape, 3)).astype(np.int64)
    if corners.size and corners.max() >= count:
        raise BrokenAvatar(
            f"surface.npz: {name}_corners names vertex {corners.max()}; "
            f"there are {count}"
        )
    first_two = arrays.tensor(f"{name}_shares", "u", (*shape, 2)) / 255
    third = 1 - first_two.sum(-1, keepdim=True)
    return Cells(
        torch.from_numpy(corners), torch.cat([first_two, third], -1), float(step)
    )


def _picture(package: Package, name: str) -> Tensor:
    """``[4, H, W]`` RGBA, uint8."""
    # Here, since a bare machine with torch draws all avatars but portraits.
    from PIL import Image, UnidentifiedImageError

    data = package.read(name, _LARGEST)
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise BrokenAvatar(f"{name} has over {_MOST_PIXELS} pixels")
            pixels = np.asarray(image.convert("RGBA"))
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise BrokenAvatar(f"{name} is not a WebP picture: {error}") from error
    return torch.from_numpy(pixels.copy()).movedim(-1, 0)


class _Arrays:
    """What is in ``surface.npz``, asked for by name, kind and shape."""

    def __init__(self, data: bytes) -> None:
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as found:
                self._found: dict[str, Array] = dict(found)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise BrokenAvatar(f"surface.npz cannot be read: {error}") from error

    def get(self, name: str, kind: str, shape: tuple[int | None, ...]) -> Array:
        """``kind`` is numpy's: f, i or u. None in ``shape`` is any number over 0."""
        want = f"{_KINDS[kind]} of shape {_shape(shape)}"
        if name not in self._found:
            raise BrokenAvatar(f"surface.npz has no {name}; it must be {want}")
        array = self._found[name]
        fits = len(array.shape) == len(shape) and all(
            have > 0 if side is None else have == side
            for have, side in zip(array.shape, shape, strict=True)
        )
        if array.dtype.kind != kind or not fits:
            raise BrokenAvatar(
                f"surface.npz: {name} is {array.dtype} of shape "
                f"{_shape(array.shape)}; it must be {want}"
            )
        if kind == "f" and not np.isfinite(array).all():
            raise BrokenAvatar(f"surface.npz: {name} holds numbers that are not finite")
        return array

    def tensor(self, name: str, kind: str, shape: tuple[int | None, ...]) -> Tensor:
        return torch.from_numpy(self.get(name, kind, shape).astype(np.float32))


_KINDS = {"f": "floats", "i": "signed integers", "u": "unsigned integers"}


def _shape(sides: tuple[int | None, ...]) -> str:
    return " x ".join("N" if side is None else str(side) for side in sides)
