"""Tests of `renderer.avatar` and `renderer.package`: valid and broken packages."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from renderer.avatar import BrokenAvatar, Likeness, avatar_id, load, load_all, make_rig
from renderer.face import face
from renderer.rig import RigInput

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "avatars"
FIDUCIAL = ASSETS / "fiducial"
MANIFEST = json.loads((FIDUCIAL / "avatar.json").read_text())
BACKGROUND = {"centre": "#93a8b0", "edge": "#26333c"}
LIKENESS = {
    "source": "photo",
    "consent": "This is me.",
    "by": "Eve",
    "date": "2026-11-29",
}
PORTRAIT = {**MANIFEST, "rig": "portrait", "background": BACKGROUND}


def write_package(folder, name, manifest):
    (folder / name).mkdir()
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    (folder / name / "avatar.json").write_text(text)
    return folder / name


def write_zip(path, members):
    with zipfile.ZipFile(path, "w") as out:
        for name, text in members.items():
            out.writestr(name, text)
    return path


def test_every_shipped_avatar_loads_and_draws():
    catalog = load_all(ASSETS)

    assert catalog.broken == {}
    assert set(catalog.avatars) == {"mira", "theo", "fiducial"}
    for avatar in catalog.avatars.values():
        rig = make_rig(avatar, 96, 96, torch.device("cpu"))
        out = rig.draw(face()[None], [RigInput(0, 0, 0.0, 0.0)])
        assert out.shape == (1, 96 * 96 * 3 // 2)


def test_the_avatar_id_depends_on_the_name_alone(tmp_path):
    shutil.copytree(FIDUCIAL, tmp_path / "mira")

    assert load(tmp_path / "mira").id == avatar_id("mira") != load(FIDUCIAL).id
    assert str(avatar_id("mira")) == "9c5cd6ed-2f18-5069-90d6-3676dda97e12"


def test_a_package_may_name_a_built_in_voice(tmp_path):
    path = write_package(tmp_path, "eve", {**MANIFEST, "voice": "heart-low"})

    assert (load(path).voice, load(FIDUCIAL).voice) == ("heart-low", "")
    assert load(ASSETS / "theo").voice == "heart-low"


def test_a_portrait_may_record_the_consent_of_the_person_it_shows(tmp_path):
    path = write_package(tmp_path, "eve", {**PORTRAIT, "likeness": LIKENESS})
    Image.new("RGB", (64, 64)).save(path / "plate.webp")

    assert load(path, trusted=True).likeness == Likeness(**LIKENESS)
    assert load(ASSETS / "mira", trusted=True).likeness is None


def test_a_portrait_may_name_the_donor_of_what_the_photo_does_not_show(tmp_path):
    path = write_package(tmp_path, "eve", with_likeness(donor="mira"))
    Image.new("RGB", (64, 64)).save(path / "plate.webp")

    assert load(path, trusted=True).likeness.donor == "mira"


@pytest.mark.parametrize("inner", ["avatar.json", "eve/avatar.json"])
def test_a_zip_file_loads_like_a_folder(tmp_path, inner):
    path = write_zip(tmp_path / "eve.zip", {inner: json.dumps(MANIFEST)})

    assert load(path).name == "eve"
    assert load(path).title == MANIFEST["title"]


def without(name, manifest=MANIFEST):
    return {k: v for k, v in manifest.items() if k != name}


def with_likeness(**changes):
    return {**PORTRAIT, "likeness": {**LIKENESS, **changes}}


def with_background(**changes):
    return {**PORTRAIT, "background": {**BACKGROUND, **changes}}


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("{not json", "avatar.json is not JSON"),
        ("[1, 2]", "must be a JSON object"),
        ("[" * 20_000, "avatar.json is not JSON"),
        (" " * 70_000, "over 65536 bytes"),
        (without("title"), "title is missing: add a text"),
        (without("background", PORTRAIT), "background is missing"),
        (without("schema"), "schema is missing: add 1"),
        ({**MANIFEST, "schema": 9}, "schema is 9, expected 1, which is what this"),
        ({**MANIFEST, "schema": True}, "schema is true, expected 1"),
        ({**MANIFEST, "schema": "1"}, 'schema is "1", expected 1'),
        ({**MANIFEST, "schema": float("nan")}, "schema is NaN, expected 1"),
        ({**MANIFEST, "rig": "live2d"}, "expected one of fiducial, portrait"),
        ({**MANIFEST, "rig": []}, "expected one of fiducial, portrait"),
        ({**MANIFEST, "rig": "drawn", "look": {}}, "cartoons were removed"),
        ({**MANIFEST, "rig": "drawn"}, "docs/avatars.md"),
        ({**MANIFEST, "colour": 1}, "unknown field colour; the fields are: author"),
        ({**MANIFEST, "background": BACKGROUND}, "unknown field background"),
        ({**MANIFEST, "voice": ""}, 'voice is "", expected a text of 1 to 200'),
        ({**MANIFEST, "voice": ["heart"]}, "voice is"),
        ({**PORTRAIT, "background": 1}, "background must be a JSON object"),
        (with_background(edge="peach"), 'background.edge is "peach", expected a col'),
        (with_background(edge="#12345g"), "background.edge is"),
        (with_background(centre=7), "background.centre is 7, expected a colour"),
        (with_background(hat="red"), "unknown field background.hat"),
        ({**MANIFEST, "likeness": LIKENESS}, "unknown field likeness"),
        ({**PORTRAIT, "likeness": True}, "likeness must be a JSON object"),
        (with_likeness(age=7), "unknown field likeness.age"),
        (with_likeness(source="dream"), "expected one of photo"),
        (with_likeness(by=""), "likeness.by is"),
        (with_likeness(donor=7), "likeness.donor is 7"),
        (with_likeness(date="29.11.2026"), "expected a date such as"),
        (with_likeness(date=20261129), "likeness.date is 20261129"),
        (
            {**PORTRAIT, "likeness": without("consent", LIKENESS)},
            "likeness.consent is missing",
        ),
    ],
)
def test_a_broken_manifest_is_refused_with_field_and_remedy(
    tmp_path, manifest, message
):
    with pytest.raises(BrokenAvatar) as error:
        load(write_package(tmp_path, "eve", manifest))

    assert message in str(error.value)


def test_valid_packages_load_beside_broken_ones(tmp_path):
    shutil.copytree(FIDUCIAL, tmp_path / "ida")
    (tmp_path / "empty").mkdir()
    (tmp_path / "fake.zip").write_bytes(b"not a zip")
    (tmp_path / "bad name!").mkdir()
    (tmp_path / "README.md").write_text("not a package")
    write_zip(tmp_path / "slip.zip", {"../avatar.json": "{}"})
    write_zip(tmp_path / "root.zip", {"/avatar.json": "{}"})
    write_zip(tmp_path / "unnamed.zip", {".": "{}"})
    write_zip(tmp_path / "hollow.zip", {"readme.txt": "hello"})
    write_zip(tmp_path / "ida.zip", {"avatar.json": json.dumps(MANIFEST)})

    catalog = load_all(tmp_path)

    assert set(catalog.avatars) == {"ida"}
    assert catalog.broken.keys() == {
        "empty", "fake.zip", "bad name!", "slip.zip", "root.zip", "hollow.zip",
        "unnamed.zip", "ida.zip",
    }  # fmt: skip
    assert "cannot be read" in catalog.broken["empty"]
    assert "not a zip" in catalog.broken["fake.zip"]
    assert "missing" in catalog.broken["unnamed.zip"]
    assert "outside" in catalog.broken["slip.zip"]
    assert "outside" in catalog.broken["root.zip"]
    assert "missing" in catalog.broken["hollow.zip"]
    assert "folder 'ida'" in catalog.broken["ida.zip"]


def test_a_missing_folder_gives_an_empty_catalog(tmp_path):
    catalog = load_all(tmp_path / "nowhere")

    assert (catalog.avatars, catalog.broken) == ({}, {})
