"""Backgrounds that sessions choose: pixels, pictures in packages, errors, cache."""

import gc
import json
import shutil
import weakref
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from renderer.avatar import (
    KEY_COLOUR,
    BrokenAvatar,
    UnusableBackground,
    check_background,
    load,
    make_rig,
    portrait_parts,
)
from renderer.engine import Engine
from renderer.native.library import open_best
from renderer.portrait.background import MAX_PICTURES, Gradient, is_colour
from renderer.portrait.loader import load_portrait
from renderer.portrait.native_rig import NativePortraitRig
from renderer.portrait.parts import prepare
from renderer.portrait.rig import PortraitRig
from renderer.rig import RigInput
from renderer.rig_cache import MAX_OTHER_BACKGROUNDS
from tests.renderer.colours import rgb_to_ycbcr
from tests.renderer.portrait import portraits
from tests.renderer.portrait.faces import HEADS
from tests.renderer.portrait.test_native_rig import check_parity

CPU = torch.device("cpu")
W, H = portraits.WIDTH, portraits.HEIGHT
# Columns of the base image without a person, and those where it is half transparent.
CLEAR, HALF = 24, 40
REST = torch.zeros(1, 57)


def add_picture(folder, name, rgb, **options):
    (folder / "backgrounds").mkdir(exist_ok=True)
    picture = Image.fromarray(np.asarray(rgb, np.uint8))
    picture.save(folder / "backgrounds" / f"{name}.webp", **options)


def halves(rows=60, columns=120):
    """Return a picture that is red at the left and blue at the right."""
    rgb = np.zeros((rows, columns, 3), np.uint8)
    rgb[:, : columns // 2], rgb[:, columns // 2 :] = (200, 0, 0), (0, 0, 200)
    return rgb


@pytest.fixture(scope="module")
def cut_out_folder(tmp_path_factory):
    """Return a package whose base image is transparent at the left, with a picture."""
    folder = portraits.build(tmp_path_factory.mktemp("avatars") / "cut")
    rgb = portraits.images()["plate"]
    alpha = np.full((H, W, 1), 255, np.uint8)
    alpha[:, :HALF], alpha[:, :CLEAR] = 128, 0
    portraits.save(np.concatenate([rgb, alpha], -1), folder / "plate.webp")
    add_picture(folder, "halves", halves(), lossless=True)
    return folder


@pytest.fixture(scope="module")
def cut_out(cut_out_folder):
    return load(cut_out_folder)


@pytest.fixture
def package(cut_out_folder, tmp_path):
    return shutil.copytree(cut_out_folder, tmp_path / "eve")


def drawn(avatar, background, native, size=(W, H), faces=REST):
    rig = make_rig(avatar, *size, CPU, native, background=background)
    return rig.draw(faces, [RigInput(0, 0, 0.0, 0.0)] * len(faces))


def yuv_at(frame, x, y, width=W, height=H):
    """Return Y, U and V of one pixel of an I420 frame ``[n]``."""
    luma, u, v = frame.split_with_sizes((n := width * height, n // 4, n // 4))
    at = y // 2 * (width // 2) + x // 2
    return [int(luma[y * width + x]), int(u[at]), int(v[at])]


def codes(rgb):
    return rgb_to_ycbcr(np.array(rgb) / 255).round().astype(int).tolist()


@pytest.mark.parametrize(
    ("background", "rgb"),
    [
        ("#ffffff", (255.0, 255.0, 255.0)),
        ("#1E50DC", (30.0, 80.0, 220.0)),
        ("transparent", (0.0, 255.0, 0.0)),
    ],
)
def test_a_colour_is_shown_where_the_person_is_not(cut_out, native, background, rgb):
    [frame] = drawn(cut_out, background, native)

    for x, y in [(1, 1), (CLEAR - 5, H // 2), (8, H - 2)]:
        assert yuv_at(frame, x, y) == codes(rgb)
    assert KEY_COLOUR == "#00ff00"


def test_an_edge_is_a_mixture_of_the_straight_colour_and_the_background(
    cut_out, native
):
    person = portraits.truth(portraits.weights())
    y, x = 120, (CLEAR + HALF) // 2
    [frame] = drawn(cut_out, "#0000ff", native)

    mixed = 128 / 255 * person[y, x] + 127 / 255 * np.array([0, 0, 255])
    assert yuv_at(frame, x, y) == pytest.approx(codes(mixed.astype("f4")), abs=2)


def test_without_a_background_the_pixels_are_those_of_the_manifest(cut_out, native):
    own = Gradient("#93a8b0", "#26333c")
    parts = prepare(load_portrait(cut_out.package), own, W, H)
    rig = NativePortraitRig(parts, open_best()) if native else PortraitRig(parts, CPU)
    expected = rig.draw(HEADS, [RigInput(0, 0, 0.0, 0.0)] * len(HEADS))

    assert torch.equal(drawn(cut_out, "", native, faces=HEADS), expected)


@pytest.mark.parametrize("background", ["#00ff00", "halves"])
def test_native_code_has_the_pixels_of_torch(cut_out, background, libraries):
    inputs = [RigInput(0, 0, 0.0, 0.0)] * len(HEADS)

    check_parity(portrait_parts(cut_out, W, H, background), HEADS, inputs)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_picture_covers_the_frame_around_its_centre(package, native, kind, tmp_path):
    add_picture(package, "tall", halves(200, 100).transpose(1, 0, 2), lossless=True)
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as out:
            for file in package.rglob("*"):
                out.write(file, file.relative_to(package))
        package = tmp_path / "zipped.zip"
    avatar = load(package)

    assert avatar.pictures == ("halves", "tall")
    [frame] = drawn(avatar, "halves", native)
    assert yuv_at(frame, 4, 120) == codes((200.0, 0.0, 0.0))
    [frame] = drawn(avatar, "tall", native)  # red above, blue below
    assert yuv_at(frame, 4, 4) == codes((200.0, 0.0, 0.0))
    assert yuv_at(frame, 4, H - 4) == codes((0.0, 0.0, 200.0))


def test_a_package_may_have_a_picture_as_its_own_background(package, native):
    manifest = {**portraits.MANIFEST, "background": {"picture": "halves"}}
    (package / "avatar.json").write_text(json.dumps(manifest))
    avatar = load(package)

    assert torch.equal(drawn(avatar, "", native), drawn(avatar, "halves", native))
    shutil.rmtree(package / "backgrounds")
    with pytest.raises(
        BrokenAvatar, match=r'picture is "halves": there is no .*: none'
    ):
        load(package)


@pytest.mark.parametrize(
    "wanted", ["#12345", "#12345g", "green", "Halves", "../plate", "#1a2b3c ", "x" * 99]
)
def test_an_unknown_background_names_what_is_possible(cut_out, wanted):
    with pytest.raises(UnusableBackground) as error:
        check_background(cut_out, wanted)

    assert str(error.value) == (
        f"unknown background {wanted[:40]!r}. Use a colour such as #1a2b3c, "
        "transparent, or the name of a picture of the avatar (cut has pictures: halves)"
    )


@pytest.mark.parametrize("wanted", ["#ffffff", "transparent", "nothing"])
def test_an_avatar_without_alpha_keeps_its_background(avatar, wanted):
    with pytest.raises(UnusableBackground, match=r"flat keeps its own .*no alpha"):
        check_background(avatar, wanted)
    assert check_background(avatar, "") == ""


def test_spellings_of_a_colour_are_one_background(cut_out):
    assert check_background(cut_out, "#ABCDEF") == check_background(cut_out, "#abcdef")


def test_a_name_of_a_picture_is_restricted(package):
    for name in ("transparent", "Sea", "a b", "x" * 41):
        add_picture(package, name, halves())
        with pytest.raises(BrokenAvatar, match=r"name each picture NAME\.webp"):
            load(package)
        (package / "backgrounds" / f"{name}.webp").unlink()
    (package / "backgrounds" / "notes.txt").write_text("no picture")
    with pytest.raises(BrokenAvatar, match=r"backgrounds/notes\.txt: name each"):
        load(package)


def test_bad_pictures_break_the_package(package):
    file = package / "backgrounds" / "bad.webp"
    file.write_bytes(b"no picture")
    with pytest.raises(BrokenAvatar, match=r"backgrounds/bad\.webp is not a WebP"):
        load(package)
    file.write_bytes(bytes(2 * 1024 * 1024 + 1))
    with pytest.raises(BrokenAvatar, match=r"bad\.webp is over 2097152 bytes"):
        load(package)
    add_picture(package, "bad", np.zeros((2001, 2000, 3)))
    with pytest.raises(BrokenAvatar, match="more than 4000000 pixels"):
        load(package)
    file.unlink()
    for number in range(MAX_PICTURES):
        add_picture(package, f"n{number}", np.zeros((2, 2, 3)))
    with pytest.raises(BrokenAvatar, match="17 pictures: remove some, 16 is the max"):
        load(package)


def test_a_link_out_of_the_package_is_not_followed(package, tmp_path):
    shutil.move(package / "backgrounds", tmp_path / "elsewhere")
    (package / "backgrounds").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BrokenAvatar, match="leads out of the package"):
        load(package)


def test_sessions_with_the_same_background_share_a_rig(cut_out):
    engine = Engine(device="cpu", native=False)

    def rig(background):
        session = engine.open_session(cut_out, 64, 64, seed=1, background=background)
        return session.rig

    own, red = rig(""), rig("#ff0000")
    assert rig("#FF0000") is red
    assert red is not own
    for number in range(MAX_OTHER_BACKGROUNDS):
        rig(f"#00000{number}")
    assert rig("") is own
    assert engine.draw_time("cut", 64, 64) > 0
    engine.evict({"cut"})
    assert engine.draw_time("cut", 64, 64) is None


def test_a_rig_is_built_again_only_when_no_session_has_it(cut_out):
    engine = Engine(device="cpu", native=False)

    def rig(background):
        session = engine.open_session(cut_out, 64, 64, seed=1, background=background)
        return session.rig

    red, blue = rig("#ff0000"), weakref.ref(rig("#0000ff"))
    assert blue() is not None
    for number in range(MAX_OTHER_BACKGROUNDS):
        rig(f"#00000{number}")
    gc.collect()
    assert blue() is None
    assert rig("#ff0000") is red
    engine.evict({"cut"})
    assert rig("#ff0000") is not red


def test_colours_are_recognized():
    assert is_colour("#93a8B0")
    assert not any(map(is_colour, ("93a8b0", "#93a8b", "#93a8bg", "blur", "")))
