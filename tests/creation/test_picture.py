"""Reading of photos: formats, colours, orientation, size, and other files."""

import io
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from creation import picture as reader
from creation.picture import MAX_SIDE, read_picture
from creation.refusals import RefusedPhoto

HERE = Path(__file__).parent
MUTATIONS = 200
# Colour of each quarter, so that no turn or mirror image looks like another one.
QUARTERS = np.array([[[230, 40, 30], [40, 200, 60]], [[30, 60, 220], [240, 230, 80]]])


@pytest.fixture(scope="module")
def chart() -> Image.Image:
    """Picture of 96 x 64 pixels with four colours."""
    colours = QUARTERS.repeat(32, 0).repeat(48, 1)
    return Image.fromarray(colours.astype(np.uint8))


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def quarters(picture: np.ndarray) -> np.ndarray:
    """Return the colours in the middle of each quarter, 0..255."""
    height, width = picture.shape[:2]
    rows, columns = ([size // 4, 3 * size // 4] for size in (height, width))
    return picture[np.ix_(rows, columns)] * 255


def refusal(data: bytes) -> RefusedPhoto:
    with pytest.raises(RefusedPhoto) as caught:
        read_picture(data)
    assert re.fullmatch(r"[A-Z'][^\n]{20,160}\.", str(caught.value))
    return caught.value


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF"])
def test_a_picture_is_read_as_floats(chart, file_format):
    picture = read_picture(encoded(chart, file_format))
    assert picture.dtype == np.float32
    assert picture.shape == (64, 96, 3)
    assert 0 <= picture.min() <= picture.max() <= 1
    assert np.allclose(quarters(picture), QUARTERS, atol=12)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_exif_says(chart, orientation, file_format):
    stored = {  # how a camera that is held so stores the upright picture
        1: chart,
        2: chart.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: chart.rotate(180),
        4: chart.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: chart.transpose(Image.Transpose.TRANSPOSE),
        6: chart.rotate(90, expand=True),
        7: chart.transpose(Image.Transpose.TRANSVERSE),
        8: chart.rotate(-90, expand=True),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_picture(encoded(stored, file_format, exif=exif))
    assert picture.shape == (64, 96, 3)
    assert np.allclose(quarters(picture), QUARTERS, atol=12)


def test_damaged_exif_is_ignored(chart):
    data = encoded(chart, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff\xff\xff")
    assert read_picture(data).shape == (64, 96, 3)


def test_grey_pictures_are_read(chart):
    grey = chart.convert("L")
    expected = quarters(np.asarray(grey)[..., None].repeat(3, 2) / 255)
    for image in (grey, grey.convert("LA"), chart.convert("1").convert("L")):
        assert read_picture(encoded(image, "PNG")).shape == (64, 96, 3)
    assert np.allclose(quarters(read_picture(encoded(grey, "PNG"))), expected, atol=1)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    for file_format in ("PNG", "TIFF"):
        picture = read_picture(encoded(deep, file_format))
        assert np.allclose(quarters(picture), expected, atol=1)
    floats = Image.fromarray(np.asarray(grey, np.float32) / 255)
    assert np.allclose(
        quarters(read_picture(encoded(floats, "TIFF"))), expected, atol=1
    )


def test_black_and_white_pictures_are_read(chart):
    picture = read_picture(encoded(chart.convert("1"), "PNG"))
    assert {*np.unique(picture)} == {0, 1}


def test_colours_of_16_bits_are_read():
    """PNG with 16 bits for each colour, which Pillow does not write."""
    rows = (QUARTERS.repeat(32, 0).repeat(48, 1) * 257).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    picture = read_picture(png(struct.pack(">IIBBBBB", 96, 64, 16, 2, 0, 0, 0), raw))
    assert np.allclose(quarters(picture), QUARTERS, atol=1)


def png(header: bytes, raw: bytes) -> bytes:
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_palettes_are_read(chart):
    palette = chart.quantize(8)
    assert np.allclose(
        quarters(read_picture(encoded(palette, "PNG"))), QUARTERS, atol=6
    )
    assert np.allclose(
        quarters(read_picture(encoded(palette, "GIF"))), QUARTERS, atol=6
    )


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_parts_become_white(chart, mode):
    image = chart.convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 48, 32))
    data = encoded(image.convert(mode), "TIFF" if mode == "PA" else "PNG")
    found = quarters(read_picture(data))
    assert np.allclose(found[0, 0], 255)
    assert found[1, 0].max() < 230


def test_transparent_colours_of_palettes_become_white(chart):
    palette = chart.quantize(4)
    index = palette.getpixel((5, 5))
    found = quarters(read_picture(encoded(palette, "PNG", transparency=index)))
    assert np.allclose(found[0, 0], 255)
    assert np.allclose(found[1], QUARTERS[1], atol=6)


def test_cmyk_is_read(chart):
    picture = read_picture(encoded(chart.convert("CMYK"), "JPEG"))
    assert np.allclose(quarters(picture), QUARTERS, atol=12)


def test_colour_profiles_are_applied(chart):
    """A profile whose red and blue are exchanged must exchange them in the picture."""
    profile = bytearray(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    for file_format in ("PNG", "JPEG"):
        data = encoded(chart, file_format, icc_profile=bytes(profile))
        assert np.allclose(quarters(read_picture(data)), QUARTERS[..., ::-1], atol=16)


def test_a_profile_that_does_not_fit_is_ignored(chart):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for image, icc in ((chart, b"no profile"), (chart.convert("L"), profile)):
        picture = read_picture(encoded(image, "PNG", icc_profile=icc))
        assert np.allclose(picture, read_picture(encoded(image, "PNG")), atol=0.01)


def test_heic_is_read():
    """``chart.heic`` is the chart, encoded by pillow-heif 1.4.0, quality 90."""
    pytest.importorskip("pi_heif", reason="pi-heif of the extra 'create'")
    picture = read_picture((HERE / "chart.heic").read_bytes())
    assert picture.shape == (64, 96, 3)
    assert np.allclose(quarters(picture), QUARTERS, atol=16)


def test_without_its_reader_heic_is_refused_with_a_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    refused = refusal((HERE / "chart.heic").read_bytes())
    assert refused.code == "unsupported"
    assert "save it as JPEG" in str(refused)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_large_pictures_are_reduced(chart, file_format):
    large = chart.resize((8000, 6250))  # 50 megapixels
    picture = read_picture(encoded(large, file_format, exif=Image.Exif()))
    assert picture.shape == (2344, MAX_SIDE, 3)
    assert np.allclose(quarters(picture), QUARTERS, atol=12)


def test_pictures_of_other_phones_are_read_by_their_first_one(chart):
    """MPO: a JPEG that is followed by others, which is no animation."""
    data = encoded(chart, "MPO", save_all=True, append_images=[chart.rotate(180)])
    assert np.allclose(quarters(read_picture(data)), QUARTERS, atol=12)


def test_nothing_is_decoded_of_a_picture_with_too_many_pixels(chart):
    header = struct.pack(">IIBBBBB", 10_001, 10_000, 8, 2, 0, 0, 0)
    refused = refusal(png(header, b""))
    assert refused.code == "too_large"
    assert "100 megapixels" in str(refused)
    # Readers refuse the very large ones themselves.
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    assert refusal(png(header, b"")).code == "too_large"


def test_files_of_over_40_mb_are_refused():
    refused = refusal(bytes(40 * 1024 * 1024 + 1))
    assert refused.code == "too_large"
    assert "40 MB" in str(refused)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Dear all, please find attached\n" * 40,
        b"\xff\xd8\xff",
        b"%PDF-1.7\n",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    ],
    ids=["empty", "text", "short", "pdf", "svg", "video"],
)
def test_files_without_a_picture_are_refused(data):
    assert refusal(data).code == "not_a_picture"


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_truncated_pictures_are_refused(chart, file_format):
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    data = encoded(Image.fromarray(noise), file_format)
    assert refusal(data[: len(data) * 2 // 3]).code == "not_a_picture"


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_animations_are_refused(chart, file_format):
    others = [chart.rotate(180)]
    data = encoded(chart, file_format, save_all=True, append_images=others)
    refused = refusal(data)
    assert refused.code == "not_a_picture"
    assert "single photo" in str(refused)


def test_a_jpeg_of_very_many_passes_is_refused(chart):
    data = encoded(chart, "JPEG", progressive=True)
    scan = data[data.index(b"\xff\xda") : -2]
    assert refusal(data[:-2] + scan * 200 + b"\xff\xd9").code == "not_a_picture"


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Change, remove, repeat or insert some bytes, more often near the beginning."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        at = int(len(changed) * rng.random() ** rng.choice((1, 4)))
        match rng.randrange(5):
            case 0 | 1:
                changed[at : at + 1] = rng.randbytes(1)
            case 2:
                del changed[at : at + rng.choice((1, 2, 4, 100))]
            case 3:
                changed[at:at] = changed[at : at + rng.choice((4, 100))]
            case 4:
                extremes = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4))
                changed[at : at + 4] = rng.choice(extremes)
    return bytes(changed)


def test_mutated_pictures_are_read_or_refused(chart):
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    extra = {"exif": exif, "icc_profile": profile}
    palette = chart.quantize(8)
    originals = [
        *(encoded(chart, form, **extra) for form in ("JPEG", "PNG", "WEBP", "TIFF")),
        encoded(chart, "AVIF"),
        encoded(chart, "JPEG", progressive=True),
        encoded(chart.convert("CMYK"), "JPEG"),
        encoded(chart.convert("RGBA"), "PNG"),
        encoded(palette, "GIF"),
        (HERE / "chart.heic").read_bytes(),
    ]
    rng = random.Random(18)
    outcomes = {"read": 0, "not_a_picture": 0, "too_large": 0, "unsupported": 0}
    for number in range(MUTATIONS):
        data = mutated(originals[number % len(originals)], rng)
        try:
            picture = read_picture(data)
        except RefusedPhoto as refused:
            outcomes[refused.code] += 1
        else:
            outcomes["read"] += 1
            assert picture.dtype == np.float32
            assert picture.shape[2] == 3
            assert max(picture.shape) <= MAX_SIDE
            assert 0 <= picture.min() <= picture.max() <= 1
    assert outcomes["read"] > 20
    assert outcomes["not_a_picture"] > 20


LARGEST = """
import io, sys
import numpy as np
from PIL import Image
from creation.picture import read_picture

Image.MAX_IMAGE_PIXELS = None
kind = sys.argv[1]
side = 9999
if kind == "16 bit":
    image = Image.fromarray(np.full((side, side), 30000, np.uint16))
else:
    image = Image.new(kind.split()[0], (side, side), 90)
file = io.BytesIO()
if kind.endswith("PNG") or kind == "16 bit":
    image.save(file, "PNG", compress_level=1)
else:
    image.save(file, "JPEG", progressive="progressive" in kind)
del image
# Writing the picture took memory too: begin a new measurement of the peak.
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
picture = read_picture(file.getvalue())
[line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(picture.shape[0], int(line.split()[1]) // 1024)
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "kind", ["RGB progressive", "CMYK", "RGBA PNG", "P PNG", "16 bit"]
)
def test_the_largest_pictures_take_less_than_two_gigabytes(kind):
    command = [sys.executable, "-c", LARGEST, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    side, peak_mb = map(int, done.stdout.split())
    assert side == MAX_SIDE
    assert peak_mb < 1800


def test_the_limits_are_those_of_the_documentation():
    assert reader.MAX_BYTES == 40 * 1024 * 1024
    assert reader.MAX_PIXELS == 100_000_000
