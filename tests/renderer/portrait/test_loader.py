"""Loading of portrait packages: every error names the fault and the remedy."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renderer.arkit import UNITS
from renderer.avatar import BrokenAvatar, load, load_all
from renderer.package import Package
from renderer.portrait.loader import load_portrait
from tests.renderer.portrait import portraits

FILES = ("avatar.json", "surface.npz", "plate.webp", "mouth.webp", "eyeLeft.webp")


@pytest.fixture(scope="module")
def valid_package(tmp_path_factory):
    """Return the folder of a valid package, which tests copy."""
    return portraits.build(tmp_path_factory.mktemp("avatars") / "flat")


@pytest.fixture
def package(valid_package, tmp_path):
    return shutil.copytree(valid_package, tmp_path / "avatars" / "eve")


def change(folder, **arrays):
    """Replace arrays of ``surface.npz``; None removes one."""
    with np.load(folder / "surface.npz") as members:
        changed = {**members, **arrays}
    remaining = {name: array for name, array in changed.items() if array is not None}
    np.savez(folder / "surface.npz", **remaining)


def array(folder, name):
    with np.load(folder / "surface.npz") as members:
        return members[name]


def load_error(folder):
    with pytest.raises(BrokenAvatar) as error:
        load(folder)
    return str(error.value)


def test_a_valid_package_is_read_as_it_was_written(valid_package):
    portrait = load_portrait(Package.at(valid_package))

    assert portrait.base_image.shape == (4, portraits.HEIGHT, portraits.WIDTH)
    names = [closeup.name for closeup in portrait.closeups]
    assert names == ["mouth", "eyeLeft", "eyeRight"]
    mouth = portrait.closeups[0]
    left, top, right, bottom = portraits.BOXES["mouth"]
    assert mouth.keyframes.shape == (12, 4, bottom - top, right - left)
    assert (mouth.left, mouth.top) == (left, top)
    jaw = portrait.surface.blendshapes[UNITS.index("jawOpen")]
    assert -jaw[:, 2].min() * portraits.SCALE == pytest.approx(12, abs=0.3)
    assert mouth.cells.barycentric.sum(-1) == pytest.approx(1)


@pytest.mark.parametrize("across", [2, 5, 12])
def test_keyframes_may_lie_in_several_columns(package, valid_package, across):
    left, top, right, bottom = portraits.BOXES["mouth"]
    rows, columns = bottom - top, right - left
    tiles = portraits.images()["mouth"].reshape(12, rows, columns, 3)
    down = -(-12 // across)
    page = np.zeros((down, across, rows, columns, 3), np.uint8)
    page.reshape(-1, rows, columns, 3)[:12] = tiles
    page = page.transpose(0, 2, 1, 3, 4).reshape(down * rows, across * columns, 3)
    portraits.save(page, package / "mouth.webp")

    one, several = (
        load_portrait(Package.at(path)).closeups[0].keyframes
        for path in (valid_package, package)
    )

    assert np.array_equal(several, one)


@pytest.mark.parametrize("inner", ["", "eve/"])
def test_a_zip_loads_like_a_folder(package, inner):
    with zipfile.ZipFile(package.parent / "zipped.zip", "w") as out:
        for file in package.iterdir():
            out.write(file, inner.replace("eve", "zipped") + file.name)

    zipped_portrait = load_portrait(load(package.parent / "zipped.zip").package)

    expected = load_portrait(Package.at(package))
    assert (zipped_portrait.base_image == expected.base_image).all()


@pytest.mark.parametrize(
    "name",
    [
        *("neutral", "shapes", "shape_sizes", "skull", "rise", "camera", "pivot"),
        *("breath", "plate_corners", "plate_shares", "mouth_box", "eyeLeft_faces"),
        *("eyeRight_measure", "mouth_corners", "mouth_shares"),
    ],
)
def test_missing_array_error_names_the_array(package, name):
    change(package, **{name: None})

    assert f"surface.npz has no array {name}: add " in load_error(package)


@pytest.mark.parametrize(
    ("name", "damage", "text"),
    [
        ("neutral", lambda a: a[:, :2], "floats of shape N x 3"),
        ("neutral", lambda a: a[:0], "floats of shape N x 3"),
        ("neutral", lambda a: a.astype("i4"), "neutral is int32"),
        ("neutral", lambda a: np.resize(a, (65537, 3)), "65537 vertices: drop those"),
        ("neutral", lambda a: a * np.nan, "neutral has values that are not finite"),
        ("neutral", lambda a: np.subtract(a, (0, 9, 0)), "no depth above 0"),
        ("shapes", lambda a: a[:52], "signed integers of shape 56 x 1200 x 3"),
        ("shapes", lambda a: a[:, :9], "signed integers of shape 56 x 1200 x 3"),
        ("shapes", lambda a: a / 9, "signed integers of shape"),
        ("shape_sizes", lambda a: a + np.inf, "shape_sizes has"),
        ("shape_sizes", lambda a: a + np.float32(1e37), "shape_sizes reaches inf, but"),
        (
            "shape_sizes",
            lambda a: a.astype("f8") * 1e300,
            "shape_sizes has values from",
        ),
        (
            "shapes",
            lambda a: a.astype("i8") - (0, 10**7, 0),
            "1: eyeBlinkLeft. Check camera",
        ),
        ("skull", lambda a: a / 255, "unsigned integers of shape 1200"),
        (
            "skull",
            lambda a: a + np.uint16(9),
            "skull has values from 9 to 264, but 255",
        ),
        ("rise", lambda a: a + np.uint64(2**60), "but 255 is the limit"),
        ("pivot", lambda a: a + 2e6, "pivot has values from 2e+06 to 2e+06, but 1e+06"),
        ("neutral", lambda a: a.astype("f8") - 1e300, "but 1e+06 is the limit"),
        ("camera", lambda a: a[:, :3], "floats of shape 3 x 4"),
        ("camera", lambda a: -a, "no depth above 0 when this unit"),
        ("pivot", lambda a: a[None], "floats of shape 3"),
        ("plate_corners", lambda a: a[1:], "unsigned integers of shape 30 x 40 x 3"),
        ("plate_corners", lambda a: a + 1, "names vertex 1200, but there are 1200"),
        ("mouth_corners", lambda a: a.astype("u8") - 9999, "names vertex"),
        ("mouth_corners", lambda a: a[:, ::2], "of shape 12 x 28 x 40 x 3"),
        (
            "mouth_shares",
            lambda a: a * 0 + 200,
            "two that sum to 400, but the sum of two",
        ),
        ("mouth_box", lambda a: a[[2, 1, 0, 3]], "left, top, right, bottom within"),
        ("mouth_box", lambda a: a + 100, "within the plate's 320 x 240"),
        ("mouth_box", lambda a: np.add(a, (0, 0, 2, 0)), "its sides multiples of 4"),
        ("mouth_box", lambda a: np.add(a, (0, 0, 4, 0)), "mouth.webp is 160 x 1344"),
        ("mouth_box", lambda a: a[[0, 1, 0, 1]] + (0, 0, 4, 112), "4, and at least 16"),
        ("mouth_faces", lambda a: a[:, :9], "floats of shape N x 56"),
        (
            "mouth_faces",
            lambda a: a[:9],
            "9 keyframes of 160 x 112 below each other need",
        ),
        ("eyeLeft_faces", lambda a: a[:3], "3 keyframes: add some, 4 is the minimum"),
        ("eyeLeft_measure", lambda a: a[:9], "floats of shape 56 x N"),
        ("eyeLeft_measure", lambda a: a * 1e7, "eyeLeft_measure has values from"),
    ],
)
def test_wrong_array_error_names_the_expected_array(package, name, damage, text):
    change(package, **{name: damage(array(package, name))})

    assert text in load_error(package)


def npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return out.getvalue()


def image(width, height, **options):
    out = io.BytesIO()
    empty = np.zeros((height, width, 3), np.uint8)
    portraits.Image.fromarray(empty).save(out, **{"format": "WEBP", **options})
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "make_data", "text"),
    [
        ("surface.npz", lambda: b"", "surface.npz cannot be read"),
        ("surface.npz", lambda: b"junk" * 99, "surface.npz cannot be read"),
        ("surface.npz", lambda: npy(np.zeros(3)), "surface.npz cannot be read"),
        ("surface.npz", lambda: zipped(neutral=b"junk"), "neutral cannot be read"),
        (
            "surface.npz",
            lambda: zipped(neutral=npy(np.array([{}]))),
            "neutral cannot be read",
        ),
        (
            "surface.npz",
            lambda: zipped(a=bytes(300 << 20)),
            "to more than 268435456 bytes",
        ),
        ("surface.npz", lambda: bytes(65 << 20), "surface.npz is over 67108864 bytes"),
        ("plate.webp", lambda: b"", "plate.webp is not a WebP image"),
        ("plate.webp", lambda: image(320, 240, format="PNG"), "not a WebP image"),
        ("plate.webp", lambda: image(320, 240)[:60], "plate.webp is not a WebP image"),
        ("plate.webp", lambda: image(324, 240), "both sides need to be multiples of 8"),
        ("plate.webp", lambda: image(48, 32), "and at least 64"),
        ("plate.webp", lambda: image(640, 480), "of shape 60 x 80 x 3"),
        (
            "plate.webp",
            lambda: image(16000, 1504),
            "plate.webp has more than 24000000 pixels",
        ),
        (
            "mouth.webp",
            lambda: image(160, 112),
            "12 keyframes of 160 x 112 below each other",
        ),
        ("mouth.webp", lambda: image(2 * 160, 5 * 112), "n side by side n times 160"),
        ("mouth.webp", lambda: image(13 * 160, 112), "160 x 112 below each other"),
        ("mouth.webp", lambda: image(330, 6 * 112), "160 x 112 below each other"),
        ("eyeRight.webp", None, "eyeRight.webp cannot be read: No such file"),
    ],
)
def test_wrong_file_error_names_the_fault(package, name, make_data, text):
    (package / name).unlink()
    if make_data is not None:
        (package / name).write_bytes(make_data())

    assert text in load_error(package)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"background": None}, "background must be a JSON object"),
        ({"background": {"centre": "red", "edge": "#000000"}}, "background.centre is"),
        ({"background": {"centre": "#000000"}}, "background.edge is missing"),
        ({"look": {}}, "unknown field look; the fields are: author, background"),
        ({"licence": ""}, "licence is"),
    ],
)
def test_wrong_manifest_error_names_the_field(package, change, text):
    (package / "avatar.json").write_text(json.dumps({**portraits.MANIFEST, **change}))

    assert text in load_error(package)


def test_a_broken_portrait_does_not_stop_others_from_loading(package, valid_package):
    shutil.copytree(valid_package, package.parent / "flat")
    (package / "mouth.webp").write_bytes(b"")

    catalog = load_all(package.parent)

    assert set(catalog.avatars) == {"flat"}
    assert "mouth.webp" in catalog.broken["eve"]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(FILES), st.floats(0, 0.999), st.integers(0, 255), st.booleans())
def test_a_damaged_file_raises_only_broken_avatar(
    valid_package, package, name, at, byte, truncated
):
    data = bytearray((valid_package / name).read_bytes())
    place = int(at * len(data))
    data[place] = byte
    (package / name).write_bytes(data[:place] if truncated else data)
    try:
        load(package)
    except BrokenAvatar as broken:
        assert str(broken)
    finally:
        shutil.copy(valid_package / name, package / name)


@settings(max_examples=20, deadline=None)
@given(place=st.floats(0, 0.999), byte=st.integers(0, 255))
def test_a_damaged_zip_raises_only_broken_avatar(packed, place, byte):
    path, data = packed
    damaged = bytearray(data)
    damaged[int(place * len(data))] = byte
    path.write_bytes(damaged)
    try:
        load(path)
    except BrokenAvatar as broken:
        assert str(broken)


@pytest.fixture(scope="module")
def packed(valid_package, tmp_path_factory):
    path = tmp_path_factory.mktemp("zips") / "flat.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.write(valid_package / "avatar.json", "avatar.json")
        # Small files make it likely that the damage hits the zip's structure.
        for pad in range(20):
            out.writestr(f"notes/{pad}", "x" * pad)
        for file in sorted(valid_package.iterdir()):
            if file.name != "avatar.json":
                out.write(file, file.name)
    return path, path.read_bytes()
