"""
Loader of a portrait package: ``surface.npz``, ``plate.webp``, ``mouth.webp``, …

docs/avatars.md specifies the files. The names of arrays and files are the format's;
"plate" in them means the base image. Every array and image is checked on reading.
"""

import io

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from renderer.arkit import UNITS
from renderer.arrays import Arrays
from renderer.package import BrokenAvatar, Package
from renderer.portrait.layout import (
    BASE_CELL_PX,
    CLOSEUP_CELL_PX,
    CLOSEUPS,
    FEATHER_PX,
)
from renderer.portrait.model import Cells, Closeup, PortraitModel, Surface

# The format's minimum. The rig needs three: it blends two, and the third one limits
# how far these two reach.
MIN_KEYFRAMES = 4

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
    base_image = _image(package, "plate.webp")
    _, rows, columns = base_image.shape
    if (
        min(rows, columns) < _MIN_SIDE_PX
        or rows % BASE_CELL_PX
        or columns % BASE_CELL_PX
    ):
        raise BrokenAvatar(
            f"plate.webp is {columns} x {rows} pixels: both sides need to be multiples "
            f"of {BASE_CELL_PX}, and at least {_MIN_SIDE_PX}"
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


def count_keyframes(package: Package) -> dict[str, int]:
    """Return the number of keyframes of each close-up. Raises `BrokenAvatar`."""
    arrays = _arrays(package)
    shape = (None, len(UNITS))
    return {name: len(arrays.get(f"{name}_faces", "f", shape)) for name in CLOSEUPS}


def _arrays(package: Package) -> Arrays:
    data = package.read("surface.npz", _MAX_FILE_BYTES)
    return Arrays("surface.npz", data, BrokenAvatar)


def _surface(arrays: Arrays, count: int) -> Surface:
    sizes = arrays.tensor("shape_sizes", "f", (len(UNITS),))
    shapes = arrays.tensor("shapes", "i", (len(UNITS), count, 3))
    blendshapes = shapes * sizes[:, None, None]
    if (largest := float(blendshapes.abs().max())) > _MAX_NUMBER:
        raise BrokenAvatar(
            f"surface.npz: shapes times shape_sizes reaches {largest:g}, but "
            f"{_MAX_NUMBER:g} is the limit"
        )
    surface = Surface(
        neutral=arrays.tensor("neutral", "f", (count, 3), _MAX_NUMBER),
        blendshapes=blendshapes,
        head_weight=arrays.tensor("skull", "u", (count,), _MAX_CODE) / _MAX_CODE,
        breath_weight=arrays.tensor("rise", "u", (count,), _MAX_CODE) / _MAX_CODE,
        camera=arrays.tensor("camera", "f", (3, 4), _MAX_NUMBER),
        pivot=arrays.tensor("pivot", "f", (3,), _MAX_NUMBER),
        breath_offset=arrays.tensor("breath", "f", (3,), _MAX_NUMBER),
    )
    _check_camera(surface)
    return surface


def _check_camera(surface: Surface) -> None:
    """
    Raise `BrokenAvatar` if the camera cannot project every vertex.

    Checked are the surface at rest and with each single unit at weight 1.
    """
    weights = torch.cat([torch.zeros(1, len(UNITS)), torch.eye(len(UNITS))])
    vertices = surface.deform(weights)
    depths = vertices @ surface.camera[2, :3] + surface.camera[2, 3]
    visible = (depths > 0) & surface.project(vertices).isfinite().all(-1)
    for name, valid in zip(("none", *UNITS), visible.all(1).tolist(), strict=True):
        if not valid:
            raise BrokenAvatar(
                "surface.npz: a vertex has no depth above 0 when this unit has weight "
                f"1: {name}. Check camera, neutral and shapes"
            )


def _closeup(
    arrays: Arrays, package: Package, name: str, count: int, base_image: Tensor
) -> Closeup:
    left, top, columns, rows = _box(arrays, name, base_image)
    weights = arrays.tensor(f"{name}_faces", "f", (None, len(UNITS)), _MAX_NUMBER)
    keyframe_count = len(weights)
    if keyframe_count < MIN_KEYFRAMES:
        raise BrokenAvatar(
            f"surface.npz: {name}_faces has {keyframe_count} keyframes: add some, "
            f"{MIN_KEYFRAMES} is the minimum"
        )
    strip = _image(package, f"{name}.webp")
    if strip.shape[1:] != (keyframe_count * rows, columns):
        raise BrokenAvatar(
            f"{name}.webp is {strip.shape[2]} x {strip.shape[1]} pixels: its "
            f"{keyframe_count} keyframes of {columns} x {rows} below each other need "
            f"{columns} x {keyframe_count * rows}"
        )
    shape = (keyframe_count, rows // CLOSEUP_CELL_PX, columns // CLOSEUP_CELL_PX)
    return Closeup(
        name=name,
        left=left,
        top=top,
        keyframes=strip.view(4, keyframe_count, rows, columns).transpose(0, 1),
        cells=_cells(arrays, name, shape, count, CLOSEUP_CELL_PX),
        weights=weights,
        features=arrays.tensor(f"{name}_measure", "f", (len(UNITS), None), _MAX_NUMBER),
        feather=FEATHER_PX,
    )


def _box(arrays: Arrays, name: str, base_image: Tensor) -> tuple[int, int, int, int]:
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
    first_two = arrays.tensor(f"{name}_shares", "u", (*shape, 2), _MAX_CODE)
    if (max_sum := float(first_two.sum(-1).max())) > _MAX_SHARE_SUM:
        raise BrokenAvatar(
            f"surface.npz: {name}_shares has two that sum to {max_sum:g}, but the "
            "sum of two shares is at most 255"
        )
    first_two /= _MAX_CODE
    third = 1 - first_two.sum(-1, keepdim=True)
    return Cells(
        torch.from_numpy(triangles.astype(np.int64)),
        torch.cat([first_two, third], -1),
        float(step),
    )


def _image(package: Package, name: str) -> Tensor:
    """Return a WebP file as RGBA ``[4, H, W]`` uint8. Raises `BrokenAvatar`."""
    data = package.read(name, _MAX_FILE_BYTES)
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise BrokenAvatar(
                    f"{name} has more than {_MAX_PIXELS} pixels: scale it down"
                )
            pixels = np.asarray(image.convert("RGBA"))
    except (
        *(UnidentifiedImageError, Image.DecompressionBombError),
        *(OSError, ValueError, SyntaxError, EOFError, MemoryError),
    ) as error:
        raise BrokenAvatar(f"{name} is not a WebP image: {error}") from error
    return torch.from_numpy(pixels.copy()).movedim(-1, 0)
