"""
Reading of a photo: a file's bytes in, upright sRGB pixels out.

Nothing else of the file goes on: no EXIF, no place where it was taken. Sizes are
checked before pixels are decoded, and large pictures are decoded reduced, so that
memory and time have bounds.
"""

import io
import struct
import warnings

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from creation.arrays import Picture
from creation.refusals import RefusedPhoto

MAX_BYTES = 40 * 1024 * 1024
MAX_PIXELS = 100_000_000
MAX_SIDE = 3000  # pixels of the picture that is returned
# Each pass over the pixels of a progressive JPEG takes as long as a whole picture.
# Cameras and programs write about ten.
_MAX_SCANS = 100

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
_HEIF = "HEIF"
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_CHOOSE = "choose a photo as JPEG, PNG, WebP or HEIC"

# What the readers of formats raise for files that are damaged. Some check little.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError),
    *(EOFError, OverflowError, ZeroDivisionError, AttributeError, RuntimeError),
    *(struct.error, MemoryError, NotImplementedError, AssertionError),
)
_ORIENTATION = 0x0112  # tag of EXIF
_TURNS = {  # value of the tag -> what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(data: bytes) -> Picture:
    """
    Return the picture in a file, ``[H, W, 3]`` float32, upright and in sRGB.

    The longer side has at most `MAX_SIDE` pixels. Transparent parts become white.
    Raises `RefusedPhoto`: ``not_a_picture``, ``too_large`` or ``unsupported``.
    """
    if not data:
        raise RefusedPhoto("not_a_picture", f"The file is empty: {_CHOOSE}.")
    if len(data) > MAX_BYTES:
        raise RefusedPhoto(
            "too_large",
            f"The file has over {MAX_BYTES // 1024**2} MB: choose a smaller one.",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the readers, about small faults
        image = _opened(data)
        orientation = _orientation(image)
        profile = image.info.get("icc_profile")
        try:
            image = _reduced(image)
            rgb = _to_srgb(image, profile)
        except _DAMAGE as error:
            raise RefusedPhoto(
                "not_a_picture",
                "The picture is damaged or not complete: save it again, or choose "
                "another one.",
            ) from error
    if orientation in _TURNS:
        rgb = rgb.transpose(_TURNS[orientation])
    return np.asarray(rgb, np.float32) / np.float32(255)


def _opened(data: bytes) -> Image.Image:
    """Return a picture of which only the header has been read and checked."""
    formats = [*_FORMATS]
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        _register_heif()
        formats = [_HEIF]
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
        is_animated = bool(getattr(image, "is_animated", False))
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except UnidentifiedImageError as error:
        raise RefusedPhoto(
            "not_a_picture", f"The file is not a picture that can be read: {_CHOOSE}."
        ) from error
    except _DAMAGE as error:
        raise RefusedPhoto(
            "not_a_picture", f"The file is damaged: {_CHOOSE}."
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels()
    # MPO is what many phones write as .jpg: a JPEG with further pictures behind it.
    if is_animated and image.format not in ("MPO", _HEIF):
        raise RefusedPhoto(
            "not_a_picture",
            "The file holds several pictures or an animation: choose a single photo.",
        )
    if image.format in ("JPEG", "MPO") and data.count(b"\xff\xda") > _MAX_SCANS:
        raise RefusedPhoto(
            "not_a_picture",
            "The JPEG is made of too many passes: save it again as a plain JPEG.",
        )
    return image


def _register_heif() -> None:
    try:
        import pi_heif
    except ImportError:
        raise RefusedPhoto(
            "unsupported",
            "HEIC cannot be read here: save it as JPEG, or install "
            "'lite-gateway[create]'.",
        ) from None
    pi_heif.register_heif_opener()


def _too_many_pixels() -> RefusedPhoto:
    return RefusedPhoto(
        "too_large",
        f"The picture has more than {MAX_PIXELS // 1_000_000} megapixels: choose a "
        "smaller one.",
    )


def _orientation(image: Image.Image) -> int:
    if image.format in ("TIFF", _HEIF):
        return 1  # their readers turn them
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGE:
        return 1


def _reduced(image: Image.Image) -> Image.Image:
    """Return the picture with at most `MAX_SIDE` pixels on its longer side."""
    scale = MAX_SIDE / max(image.size)
    size = (
        max(1, round(image.width * scale)),
        max(1, round(image.height * scale)),
    )
    if scale < 1:
        image.draft(None, size)  # a JPEG is decoded at a half, a quarter or an eighth
    if image.mode in ("1", "P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode[0] in "IF":
        image = _to_grey(image)
    if scale < 1:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return image


def _to_grey(image: Image.Image) -> Image.Image:
    """Return a picture of 16 or 32 bit integers or of floats with 8 bits."""
    values = np.array(image, np.float32)
    np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0)
    # Floats go up to 1 or are integers. Of those, PNG has none above 65535.
    largest = 1.0 if image.mode == "F" and values.max() <= 1 else 65535.0
    values *= 255 / largest
    return Image.fromarray(values.clip(0, 255, out=values).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the picture as RGB, on white, with its colour profile applied."""
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("L", "LA") else "RGBA")
        alpha = image.getchannel("A")
        image = image.convert("L" if image.mode == "LA" else "RGB")
    rgb = _with_profile(image, profile) if profile else None
    if rgb is None:
        rgb = image.convert("RGB")
    if alpha:
        white = Image.new("RGB", rgb.size, "white")
        white.paste(rgb, mask=alpha)
        return white
    return rgb


def _with_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Return the picture in sRGB, or None if the profile is not one for its mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, *_DAMAGE):
        return None
