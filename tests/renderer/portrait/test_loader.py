"""Portrait packages: what is broken says so, and what would be right."""

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
from renderer.portrait.loader import read_likeness
from tests.renderer.portrait import portraits

FILES = ("avatar.json", "surface.npz", "plate.webp", "mouth.webp", "eyeLeft.webp")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A package without fault, to be copied."""
    return portraits.build(tmp_path_factory.mktemp("avatars") / "flat")


@pytest.fixture
def mine(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "avatars" / "eve")


def change(folder, **arrays):
    """Other arrays of ``surface.npz``; None takes one away."""
    with np.load(folder / "surface.npz") as found:
        made = {**found, **arrays}
    kept = {name: array for name, array in made.items() if array is not None}
    np.savez(folder / "surface.npz", **kept)


def array(folder, name):
    with np.load(folder / "surface.npz") as found:
        return found[name]


def fault(folder):
    with pytest.raises(BrokenAvatar) as error:
        load(folder)
    return str(error.value)


def test_a_whole_package_is_read_as_it_was_written(whole):
    likeness = read_likeness(Package.at(whole))

    assert likeness.plate.shape == (4, portraits.HEIGHT, portraits.WIDTH)
    assert [each.name for each in likeness.closeups] == ["mouth", "eyeLeft", "eyeRight"]
    mouth = likeness.closeups[0]
    left, top, right, bottom = portraits.BOXES["mouth"]
    assert mouth.pictures.shape == (12, 4, bottom - top, right - left)
    assert (mouth.left, mouth.top) == (left, top)
    jaw = likeness.surface.shapes[UNITS.index("jawOpen")].numpy()
    assert -jaw[:, 2].min() * portraits.SCALE == pytest.approx(12, abs=0.3)
    assert mouth.cells.shares.sum(-1).numpy() == pytest.approx(1)


@pytest.mark.parametrize("inner", ["", "eve/"])
def test_a_zip_is_as_good_as_a_folder(mine, inner):
    with zipfile.ZipFile(mine.parent / "zipped.zip", "w") as out:
        for file in mine.iterdir():
            out.write(file, inner.replace("eve", "zipped") + file.name)

    same = read_likeness(load(mine.parent / "zipped.zip").package)

    assert (same.plate == read_likeness(Package.at(mine)).plate).all()


@pytest.mark.parametrize(
    "name",
    [
        *("neutral", "shapes", "shape_sizes", "skull", "rise", "camera", "pivot"),
        *("breath", "plate_corners", "plate_shares", "mouth_box", "eyeLeft_faces"),
        *("eyeRight_measure", "mouth_corners", "mouth_shares"),
    ],
)
def test_an_array_that_is_missing_is_named_with_its_shape(mine, name):
    change(mine, **{name: None})

    assert f"surface.npz has no {name}; it must be " in fault(mine)


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("neutral", lambda a: a[:, :2], "floats of shape N x 3"),
        ("neutral", lambda a: a[:0], "floats of shape N x 3"),
        ("neutral", lambda a: a.astype("i4"), "neutral is int32"),
        ("neutral", lambda a: a * np.nan, "neutral holds numbers that are not finite"),
        ("neutral", lambda a: np.subtract(a, (0, 9, 0)), "a depth over 0"),
        ("shapes", lambda a: a[:52], "signed integers of shape 56 x 1200 x 3"),
        ("shapes", lambda a: a[:, :9], "signed integers of shape 56 x 1200 x 3"),
        ("shapes", lambda a: a / 9, "signed integers of shape"),
        ("shape_sizes", lambda a: a + np.inf, "shape_sizes holds"),
        ("shape_sizes", lambda a: a + np.float32(1e37), "this unit fully on"),
        ("skull", lambda a: a / 255, "unsigned integers of shape 1200"),
        ("camera", lambda a: a[:, :3], "floats of shape 3 x 4"),
        ("camera", lambda a: -a, "a depth over 0; it does not with this unit"),
        ("pivot", lambda a: a[None], "floats of shape 3"),
        ("plate_corners", lambda a: a[1:], "unsigned integers of shape 30 x 40 x 3"),
        ("plate_corners", lambda a: a + 1, "names vertex 1200; there are 1200"),
        ("mouth_corners", lambda a: a.astype("u8") - 9999, "names vertex"),
        ("mouth_corners", lambda a: a[:, ::2], "of shape 12 x 28 x 40 x 3"),
        ("mouth_shares", lambda a: a * 0 + 200, "two that sum to 400; it must be at"),
        ("mouth_box", lambda a: a[[2, 1, 0, 3]], "left, top, right, bottom within"),
        ("mouth_box", lambda a: a + 100, "within the plate's 320 x 240"),
        ("mouth_box", lambda a: np.add(a, (0, 0, 2, 0)), "its sides multiples of 4"),
        ("mouth_box", lambda a: np.add(a, (0, 0, 4, 0)), "mouth.webp is 160 x 1344"),
        ("mouth_faces", lambda a: a[:, :9], "floats of shape N x 56"),
        ("mouth_faces", lambda a: a[:9], "9 keys of 160 x 112 below each other need"),
        ("eyeLeft_faces", lambda a: a[:3], "3 keys; there must be at least 4"),
        ("eyeLeft_measure", lambda a: a[:9], "floats of shape 56 x N"),
    ],
)
def test_an_array_that_is_wrong_says_what_would_be_right(mine, name, spoil, says):
    change(mine, **{name: spoil(array(mine, name))})

    assert says in fault(mine)


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


def picture(width, height, **options):
    out = io.BytesIO()
    empty = np.zeros((height, width, 3), np.uint8)
    portraits.Image.fromarray(empty).save(out, **{"format": "WEBP", **options})
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("surface.npz", b"", "surface.npz cannot be read"),
        ("surface.npz", b"junk" * 99, "surface.npz cannot be read"),
        ("surface.npz", npy(np.zeros(3)), "surface.npz cannot be read"),
        ("surface.npz", zipped(neutral=b"junk"), "neutral cannot be read"),
        ("surface.npz", zipped(neutral=npy(np.array([{}]))), "neutral cannot be read"),
        ("surface.npz", zipped(a=bytes(300 << 20)), "unpacks to over 268435456 bytes"),
        ("surface.npz", bytes(65 << 20), "surface.npz is over 67108864 bytes"),
        ("plate.webp", b"", "plate.webp is not a WebP picture"),
        ("plate.webp", picture(320, 240, format="PNG"), "not a WebP picture"),
        ("plate.webp", picture(320, 240)[:60], "plate.webp is not a WebP picture"),
        ("plate.webp", picture(324, 240), "both sides must be multiples of 8"),
        ("plate.webp", picture(48, 32), "and at least 64"),
        ("plate.webp", picture(640, 480), "of shape 60 x 80 x 3"),
        ("plate.webp", picture(16000, 1504), "plate.webp has over 24000000 pixels"),
        ("mouth.webp", picture(160, 112), "12 keys of 160 x 112 below each other need"),
        ("eyeRight.webp", None, "eyeRight.webp cannot be read: No such file"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_says_what_would_be_right(mine, name, data, says):
    (mine / name).unlink()
    if data is not None:
        (mine / name).write_bytes(data)

    assert says in fault(mine)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"background": None}, "background must be a JSON object"),
        ({"background": {"centre": "red", "edge": "#000000"}}, "background.centre is"),
        ({"background": {"centre": "#000000"}}, "background.edge is missing"),
        ({"look": {}}, "unknown field look; the fields are: author, background"),
        ({"licence": ""}, "licence is"),
    ],
)
def test_a_manifest_that_is_wrong_says_what_would_be_right(mine, change, says):
    (mine / "avatar.json").write_text(json.dumps({**portraits.MANIFEST, **change}))

    assert says in fault(mine)


def test_a_broken_portrait_does_not_keep_the_others_away(mine, whole):
    shutil.copytree(whole, mine.parent / "flat")
    (mine / "mouth.webp").write_bytes(b"")

    shelf = load_all(mine.parent)

    assert set(shelf.avatars) == {"flat"}
    assert "mouth.webp" in shelf.broken["eve"]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(FILES), st.floats(0, 0.999), st.integers(0, 255), st.booleans())
def test_no_damage_does_more_than_break_the_package(whole, mine, name, at, byte, ends):
    data = bytearray((whole / name).read_bytes())
    place = int(at * len(data))
    data[place] = byte
    (mine / name).write_bytes(data[:place] if ends else data)
    try:
        load(mine)
    except BrokenAvatar as broken:
        assert str(broken)
    finally:
        shutil.copy(whole / name, mine / name)


@settings(max_examples=20, deadline=None)
@given(place=st.floats(0, 0.999), byte=st.integers(0, 255))
def test_no_damage_to_a_zip_does_more_than_break_it(packed, place, byte):
    path, data = packed
    spoilt = bytearray(data)
    spoilt[int(place * len(data))] = byte
    path.write_bytes(spoilt)
    try:
        load(path)
    except BrokenAvatar as broken:
        assert str(broken)


@pytest.fixture(scope="module")
def packed(whole, tmp_path_factory):
    path = tmp_path_factory.mktemp("zips") / "flat.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.write(whole / "avatar.json", "avatar.json")
        for pad in range(20):  # or most of what is spoilt were pictures
            out.writestr(f"notes/{pad}", "x" * pad)
        for file in sorted(whole.iterdir()):
            if file.name != "avatar.json":
                out.write(file, file.name)
    return path, path.read_bytes()
