"""
WebP decoder that leaves Python's other threads running.

Pillow holds Python's lock while it clears and copies memory for a whole image, 25 MB
of them for the mouths of one avatar, and then no other thread runs, nor the event loop.
libwebp itself, which Pillow's extension module links, is called through ctypes: this
leaves the lock, writes each pixel once, and takes half the processor time. Where the
library is not found, or refuses a file, callers use Pillow, which says why.
"""

import ctypes
import mmap
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import _webp

_ABI = 0x0209  # of libwebp's decoder; it refuses another major version (first byte)


@dataclass(frozen=True, slots=True)
class WebpHeader:
    """Size of an image in pixels, and whether it has alpha."""

    width: int
    height: int
    has_alpha: bool


class _Features(ctypes.Structure):
    """``WebPBitstreamFeatures`` of libwebp."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("width", "height", "has_alpha")),
        *((name, ctypes.c_int) for name in ("has_animation", "format")),
        ("pad", ctypes.c_uint32 * 5),
    )


def read_header(data: bytes) -> WebpHeader | None:
    """Return the header of a WebP file, or None: Pillow is to read the file."""
    library, features = _libwebp(), _Features()
    if library is None:
        return None
    status = library.WebPGetFeaturesInternal(
        data, len(data), ctypes.byref(features), _ABI
    )
    if status or features.has_animation:
        return None
    return WebpHeader(features.width, features.height, bool(features.has_alpha))


def decode(data: bytes, header: WebpHeader) -> npt.NDArray[np.uint8] | None:
    """
    Return the pixels of a WebP file with this header as RGBA ``[height, width, 4]``.

    Return None if it cannot be decoded: Pillow is to say why.
    """
    library = _libwebp()
    assert library is not None  # which has read the header
    shape = header.height, header.width, 4
    # Python leaves its lock to give back memory of mmap, but not that of numpy.
    pixels = np.frombuffer(mmap.mmap(-1, 4 * header.width * header.height), np.uint8)
    decoded = library.WebPDecodeRGBAInto(
        data, len(data), pixels.ctypes.data, pixels.nbytes, 4 * header.width
    )
    return pixels.reshape(shape) if decoded else None


@cache
def _libwebp() -> ctypes.CDLL | None:
    """Return the library with libwebp's functions, or None."""
    try:
        # Functions of the libraries that it links are found in it, too.
        library = ctypes.CDLL(_webp.__file__)
        features, into = library.WebPGetFeaturesInternal, library.WebPDecodeRGBAInto
    except (OSError, AttributeError):
        return None
    content = ctypes.c_char_p, ctypes.c_size_t
    features.argtypes = *content, ctypes.POINTER(_Features), ctypes.c_int
    into.argtypes = *content, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    into.restype = ctypes.c_void_p
    return library
