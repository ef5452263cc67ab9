"""WebP images of a portrait package, checked on reading."""

import io

from PIL import Image, UnidentifiedImageError

from renderer.package import BrokenAvatar, Package

_ERRORS = (
    *(UnidentifiedImageError, Image.DecompressionBombError),
    *(OSError, ValueError, SyntaxError, EOFError, MemoryError),
)


def read_webp(
    package: Package, name: str, max_bytes: int, max_pixels: int
) -> Image.Image:
    """Return a WebP file, decoded. Raises `BrokenAvatar`."""
    data = package.read(name, max_bytes)
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            if image.width * image.height > max_pixels:
                raise BrokenAvatar(
                    f"{name} has more than {max_pixels} pixels: scale it down"
                )
            image.load()
            return image
    except _ERRORS as error:
        raise BrokenAvatar(f"{name} is not a WebP image: {error}") from error


def has_alpha(package: Package, name: str, max_bytes: int) -> bool:
    """Tell by its header whether a WebP file has alpha. Raises `BrokenAvatar`."""
    data = package.read(name, max_bytes)
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            return image.mode == "RGBA"
    except _ERRORS as error:
        raise BrokenAvatar(f"{name} is not a WebP image: {error}") from error
