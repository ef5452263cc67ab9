"""
Loader of a portrait package: ``surface.npz``, ``plate.webp``, ``mouth.webp``, …

docs/avatars.md specifies the files. The names of arrays and files are the format's;
"plate" in them means the base image. Every array and image is checked on reading.
"""

import numpy as np
import numpy.typing as npt

from renderer.arkit import UNITS
from renderer.arrays import Arrays
from renderer.package import BrokenAvatar, Package
from renderer.portrait.images import has_alpha, read_webp
from renderer.portrait.layout import (
    BASE_CELL_PX,
    CLOSEUP_CELL_PX,
    CLOSEUPS,
    FEATHER_PX,
)
from renderer.portrait.model import Cells, Closeup, PortraitModel, Surface

Bytes = npt.NDArray[np.uint8]

# The format's minimum. The rig needs three: it blends two, and the third one limits
# how far these two reach.
MIN_KEYFRAMES = 4

BASE_IMAGE = "plate.webp"
_MIN_SIDE_PX = 64  # of the base image
# Four cells per side: the rig joins two and two, and interpolates motion between them.
_MIN_CLOSEUP_PX = 4 * CLOSEUP_CELL_PX
_MAX_VERTICES = 1 << 16  # the rig numbers them with 16 bits
# Of positions, weights and pixels: far above what a person needs, and small enough that
# no product of a few of them overflows float32.
_MAX_NUMBER = 1e6
_MAX_CODE = 255  # of weights that are stored in 255ths
_MAX_PIXELS = 24_000_000  # of an image file
_MAX_FILE_BYTES = 64 * 1024 * 1024
# Shares are stored in 255ths. The writer may round up both of two halves to 128.
_MAX_SHARE_SUM = 256


def load_portrait(package: Package) -> PortraitModel:
    """Return the portrait in ``package``. Raises `BrokenAvatar`."""
    arrays = _arrays(package)
    count = len(arrays.get("neutral", "f", (None, 3)))
    if count > _MAX_VERTICES:
        raise BrokenAvatar(
            f"surface.npz: neutral has {count} vertices: drop those that no cell uses, "
            f"{_MAX_VERTICES} is the maximum"
        )
    surface = _surface(arrays, count)
    base_image = _image(package, BASE_IMAGE)
    _, rows, columns = base_image.shape
    if (
        min(rows, columns) < _MIN_SIDE_PX
        or rows % BASE_CELL_PX
        or columns % BASE_CELL_PX
    ):
        raise BrokenAvatar(
            f"{BASE_IMAGE} is {columns} x {rows} pixels: both sides need to be "
            f"multiples of {BASE_CELL_PX}, and at least {_MIN_SIDE_PX}"
        )
    shape = (rows // BASE_CELL_PX, columns // BASE_CELL_PX)
    return PortraitModel(
        surface=surface,
        base_image=base_image,
        base_cells=_cells(arrays, "plate", shape, count, BASE_CELL_PX),
        closeups=tuple(
            _closeup(arrays, package, name, count, base_image) for name in CLOSEUPS
        ),
    )


def has_cut_out_person(package: Package) -> bool:
    """
    Tell whether the base image has alpha, so that its background can be replaced.

    Raises `BrokenAvatar` if it cannot be read.
    """
    return has_alpha(package, BASE_IMAGE, _MAX_FILE_BYTES)


def count_keyframes(package: Package) -> dict[str, int]:
    """Return the number of keyframes of each close-up. Raises `BrokenAvatar`."""
    arrays = _arrays(package)
    shape = (None, len(UNITS))
    return {name: len(arrays.get(f"{name}_faces", "f", shape)) for name in CLOSEUPS}


def _arrays(package: Package) -> Arrays:
    data = package.read("surface.npz", _MAX_FILE_BYTES)
    return Arrays("surface.npz", data, BrokenAvatar)


def _surface(arrays: Arrays, count: int) -> Surface:
    sizes = arrays.floats("shape_sizes", "f", (len(UNITS),))
    shapes = arrays.floats("shapes", "i", (len(UNITS), count, 3))
    with np.errstate(over="ignore"):  # infinity is refused below
        blendshapes = shapes * sizes[:, None, None]
    if (largest := float(np.abs(blendshapes).max())) > _MAX_NUMBER:
        raise BrokenAvatar(
            f"surface.npz: shapes times shape_sizes reaches {largest:g}, but "
            f"{_MAX_NUMBER:g} is the limit"
        )
    surface = Surface(
        neutral=arrays.floats("neutral", "f", (count, 3), _MAX_NUMBER),
        blendshapes=blendshapes,
        head_weight=arrays.floats("skull", "u", (count,), _MAX_CODE) / _MAX_CODE,
        breath_weight=arrays.floats("rise", "u", (count,), _MAX_CODE) / _MAX_CODE,
        camera=arrays.floats("camera", "f", (3, 4), _MAX_NUMBER),
        pivot=arrays.floats("pivot", "f", (3,), _MAX_NUMBER),
        breath_offset=arrays.floats("breath", "f", (3,), _MAX_NUMBER),
    )
    _check_camera(surface)
    return surface


def _check_camera(surface: Surface) -> None:
    """
    Raise `BrokenAvatar` if the camera cannot project every vertex.

    Checked are the surface at rest and with each single unit at weight 1.
    """
    vertices = surface.neutral + np.concat(
        [np.zeros_like(surface.neutral)[None], surface.blendshapes]
    )
    depths = vertices @ surface.camera[2, :3] + surface.camera[2, 3]
    with np.errstate(all="ignore"):  # what is not finite is refused here
        visible = (depths > 0) & np.isfinite(surface.project(vertices)).all(-1)
    for name, valid in zip(("none", *UNITS), visible.all(1).tolist(), strict=True):
        if not valid:
            raise BrokenAvatar(
                "surface.npz: a vertex has no depth above 0 when this unit has weight "
                f"1: {name}. Check camera, neutral and shapes"
            )


def _closeup(
    arrays: Arrays, package: Package, name: str, count: int, base_image: Bytes
) -> Closeup:
    left, top, columns, rows = _box(arrays, name, base_image)
    weights = arrays.floats(f"{name}_faces", "f", (None, len(UNITS)), _MAX_NUMBER)
    keyframe_count = len(weights)
    if keyframe_count < MIN_KEYFRAMES:
        raise BrokenAvatar(
            f"surface.npz: {name}_faces has {keyframe_count} keyframes: add some, "
            f"{MIN_KEYFRAMES} is the minimum"
        )
    image = _image(package, f"{name}.webp")
    shape = (keyframe_count, rows // CLOSEUP_CELL_PX, columns // CLOSEUP_CELL_PX)
    return Closeup(
        name=name,
        left=left,
        top=top,
        keyframes=_tiles(f"{name}.webp", image, keyframe_count, rows, columns),
        cells=_cells(arrays, name, shape, count, CLOSEUP_CELL_PX),
        weights=weights,
        features=arrays.floats(f"{name}_measure", "f", (len(UNITS), None), _MAX_NUMBER),
        feather=FEATHER_PX,
    )


def _tiles(file: str, image: Bytes, count: int, rows: int, columns: int) -> Bytes:
    """
    Return the ``count`` keyframes of an image, ``[count, 4, rows, columns]``.

    They lie row by row; the width of the image tells how many are side by side.
    """
    _, height, width = image.shape
    across = max(1, width // columns)
    down = -(-count // across)
    if (height, width) != (down * rows, across * columns) or across > count:
        raise BrokenAvatar(
            f"{file} is {width} x {height} pixels: its {count} keyframes of {columns} "
            f"x {rows} below each other need {columns} x {count * rows}, and n side by "
            f"side n times {columns} in width"
        )
    tiles = image.reshape(4, down, rows, across, columns).transpose(1, 3, 0, 2, 4)
    return tiles.reshape(down * across, 4, rows, columns)[:count]


def _box(arrays: Arrays, name: str, base_image: Bytes) -> tuple[int, int, int, int]:
    """Return left, top, width and height of a close-up in the base image."""
    left, top, right, bottom = map(int, arrays.get(f"{name}_box", "i", (4,)))
    columns, rows = right - left, bottom - top
    _, height, width = base_image.shape
    inside = 0 <= left < right <= width and 0 <= top < bottom <= height
    whole = columns % CLOSEUP_CELL_PX == rows % CLOSEUP_CELL_PX == 0
    if not inside or not whole or min(columns, rows) < _MIN_CLOSEUP_PX:
        raise BrokenAvatar(
            f"surface.npz: {name}_box is {left}, {top}, {right}, {bottom}: expected "
            f"left, top, right, bottom within the plate's {width} x {height}, its "
            f"sides multiples of {CLOSEUP_CELL_PX}, and at least {_MIN_CLOSEUP_PX}"
        )
    return left, top, columns, rows


def _cells(
    arrays: Arrays, name: str, shape: tuple[int, ...], count: int, step: int
) -> Cells:
    triangles = arrays.get(f"{name}_corners", "u", (*shape, 3))
    if triangles.max() >= count:
        raise BrokenAvatar(
            f"surface.npz: {name}_corners names vertex {triangles.max()}, but "
            f"there are {count}, counted from 0"
        )
    first_two = arrays.floats(f"{name}_shares", "u", (*shape, 2), _MAX_CODE)
    if (max_sum := float(first_two.sum(-1).max())) > _MAX_SHARE_SUM:
        raise BrokenAvatar(
            f"surface.npz: {name}_shares has two that sum to {max_sum:g}, but the "
            "sum of two shares is at most 255"
        )
    first_two /= _MAX_CODE
    third = 1 - first_two.sum(-1, keepdims=True)
    return Cells(
        triangles.astype(np.int32), np.concat([first_two, third], -1), float(step)
    )


def _image(package: Package, name: str) -> Bytes:
    """Return a WebP file as RGBA ``[4, H, W]``. Raises `BrokenAvatar`."""
    pixels = read_webp(package, name, _MAX_FILE_BYTES, _MAX_PIXELS)
    return np.moveaxis(pixels, -1, 0)
