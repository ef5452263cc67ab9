"""
A portrait's files: ``surface.npz`` and the pictures ``plate.webp``, ``mouth.webp``, …

docs/avatars.md says what is in them; everything is checked before it is used.
"""

import io

import numpy as np
import torch
from torch import Tensor

from renderer.arkit import UNITS
from renderer.package import BrokenAvatar, Package
from renderer.portrait.arrays import Arrays
from renderer.portrait.layout import CLOSEUP_STEP, CLOSEUPS, FEATHER, PLATE_STEP
from renderer.portrait.model import Cells, Closeup, PortraitModel, Surface

LEAST_KEYS = 4  # three are blended; the fourth says how far they reach

_SMALLEST = 64  # plate pixels
_MOST_PIXELS = 24_000_000
_LARGEST = 64 * 1024 * 1024  # bytes of a file
_SHARES = 256  # of 255ths: both of two halves may be rounded up


def read_likeness(package: Package) -> PortraitModel:
    """All of a portrait. Raises `BrokenAvatar`."""
    arrays = Arrays("surface.npz", package.read("surface.npz", _LARGEST))
    count = len(arrays.get("neutral", "f", (None, 3)))
    surface = _surface(arrays, count)
    plate = _picture(package, "plate.webp")
    _, rows, columns = plate.shape
    if min(rows, columns) < _SMALLEST or rows % PLATE_STEP or columns % PLATE_STEP:
        raise BrokenAvatar(
            f"plate.webp is {columns} x {rows} pixels; both sides must be multiples "
            f"of {PLATE_STEP}, and at least {_SMALLEST}"
        )
    shape = (rows // PLATE_STEP, columns // PLATE_STEP)
    return PortraitModel(
        surface=surface,
        plate=plate,
        cells=_cells(arrays, "plate", shape, count, PLATE_STEP),
        closeups=tuple(
            _closeup(arrays, package, name, count, plate) for name in CLOSEUPS
        ),
    )


def keys_of(package: Package) -> dict[str, int]:
    """How many expressions each close-up has. Raises `BrokenAvatar`."""
    arrays = Arrays("surface.npz", package.read("surface.npz", _LARGEST))
    wanted = (None, len(UNITS))
    return {name: len(arrays.get(f"{name}_faces", "f", wanted)) for name in CLOSEUPS}


def _surface(arrays: Arrays, count: int) -> Surface:
    sizes = arrays.tensor("shape_sizes", "f", (len(UNITS),))
    shapes = arrays.tensor("shapes", "i", (len(UNITS), count, 3))
    surface = Surface(
        neutral=arrays.tensor("neutral", "f", (count, 3)),
        shapes=shapes * sizes[:, None, None],
        skull=arrays.tensor("skull", "u", (count,)) / 255,
        rise=arrays.tensor("rise", "u", (count,)) / 255,
        camera=arrays.tensor("camera", "f", (3, 4)),
        pivot=arrays.tensor("pivot", "f", (3,)),
        up=arrays.tensor("breath", "f", (3,)),
    )
    _refuse_unseen(surface)
    return surface


def _refuse_unseen(surface: Surface) -> None:
    """What the camera cannot see has no place in the picture."""
    each = torch.cat([torch.zeros(1, len(UNITS)), torch.eye(len(UNITS))])
    places = surface.places(each)
    depths = places @ surface.camera[2, :3] + surface.camera[2, 3]
    seen = (depths > 0) & surface.pixels(places).isfinite().all(-1)
    for name, whole in zip(("none", *UNITS), seen.all(1).tolist(), strict=True):
        if not whole:
            raise BrokenAvatar(
                "surface.npz: camera must give every vertex a depth over 0; it does "
                f"not with this unit fully on: {name}"
            )


def _closeup(
    arrays: Arrays, package: Package, name: str, count: int, plate: Tensor
) -> Closeup:
    left, top, columns, rows = _box(arrays, name, plate)
    faces = arrays.tensor(f"{name}_faces", "f", (None, len(UNITS)))
    keys = len(faces)
    if keys < LEAST_KEYS:
        raise BrokenAvatar(
            f"surface.npz: {name}_faces has {keys} keys; there must be at least "
            f"{LEAST_KEYS}"
        )
    pictures = _picture(package, f"{name}.webp")
    if pictures.shape[1:] != (keys * rows, columns):
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


def _box(arrays: Arrays, name: str, plate: Tensor) -> tuple[int, int, int, int]:
    """Left, top, width and height of a close-up in the plate."""
    left, top, right, bottom = map(int, arrays.get(f"{name}_box", "i", (4,)))
    columns, rows = right - left, bottom - top
    _, height, width = plate.shape
    inside = 0 <= left < right <= width and 0 <= top < bottom <= height
    if not inside or columns % CLOSEUP_STEP or rows % CLOSEUP_STEP:
        raise BrokenAvatar(
            f"surface.npz: {name}_box is {left}, {top}, {right}, {bottom}; it must be "
            f"left, top, right, bottom within the plate's {width} x {height}, its "
            f"sides multiples of {CLOSEUP_STEP}"
        )
    return left, top, columns, rows


def _cells(
    arrays: Arrays, name: str, shape: tuple[int, ...], count: int, step: int
) -> Cells:
    corners = arrays.get(f"{name}_corners", "u", (*shape, 3))
    if corners.max() >= count:
        raise BrokenAvatar(
            f"surface.npz: {name}_corners names vertex {corners.max()}; "
            f"there are {count}, counted from 0"
        )
    first_two = arrays.tensor(f"{name}_shares", "u", (*shape, 2))
    if (most := float(first_two.sum(-1).max())) > _SHARES:
        raise BrokenAvatar(
            f"surface.npz: {name}_shares has two that sum to {most:g}; it must be at "
            "most 255"
        )
    first_two /= 255
    third = 1 - first_two.sum(-1, keepdim=True)
    return Cells(
        torch.from_numpy(corners.astype(np.int64)),
        torch.cat([first_two, third], -1),
        float(step),
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
    except (
        *(UnidentifiedImageError, Image.DecompressionBombError),
        *(OSError, ValueError, SyntaxError, EOFError, MemoryError),
    ) as error:
        raise BrokenAvatar(f"{name} is not a WebP picture: {error}") from error
    return torch.from_numpy(pixels.copy()).movedim(-1, 0)
