"""WebP images of a portrait package, checked on reading."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from renderer.package import BrokenAvatar, Package
from renderer.portrait import native_webp

_ERRORS = (
    *(UnidentifiedImageError, Image.DecompressionBombError),
    *(OSError, ValueError, SyntaxError, EOFError, MemoryError),
)


def read_webp(
    package: Package, name: str, max_bytes: int, max_pixels: int
) -> npt.NDArray[np.uint8]:
    """
    Return the pixels of a WebP file as RGBA ``[height, width, 4]``.

    Raises `BrokenAvatar`.
    """
    data = package.read(name, max_bytes)
    header = native_webp.read_header(data)
    if header is not None:
        _check_size(name, header.width, header.height, max_pixels)
        pixels = native_webp.decode(data, header)
        if pixels is not None:
            return pixels
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            _check_size(name, image.width, image.height, max_pixels)
            return np.asarray(image.convert("RGBA"))
    except _ERRORS as error:
        raise BrokenAvatar(f"{name} is not a WebP image: {error}") from error


def has_alpha(package: Package, name: str, max_bytes: int) -> bool:
    """Tell by its header whether a WebP file has alpha. Raises `BrokenAvatar`."""
    data = package.read(name, max_bytes)
    header = native_webp.read_header(data)
    if header is not None:
        return header.has_alpha
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            return image.mode == "RGBA"
    except _ERRORS as error:
        raise BrokenAvatar(f"{name} is not a WebP image: {error}") from error


def _check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise BrokenAvatar(f"{name} has more than {max_pixels} pixels: scale it down")
