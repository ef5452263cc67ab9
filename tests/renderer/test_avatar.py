"""Tests of `renderer.avatar` and `renderer.package`: valid and broken packages."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from renderer.avatar import BrokenAvatar, load, load_all, make_rig
from renderer.face import face
from renderer.rig import RigInput

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "avatars"
MANIFEST = json.loads((ASSETS / "ada" / "avatar.json").read_text())


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
    assert {"ada", "leo", "fiducial"} <= set(catalog.avatars)
    for avatar in catalog.avatars.values():
        rig = make_rig(avatar, 96, 96, torch.device("cpu"))
        out = rig.draw(face()[None], [RigInput(0, 0, 0.0, 0.0)])
        assert out.shape == (1, 96 * 96 * 3 // 2)


def test_the_avatar_id_depends_on_the_name_alone(tmp_path):
    shutil.copytree(ASSETS / "leo", tmp_path / "ada")

    assert load(tmp_path / "ada").id == load(ASSETS / "ada").id
    assert load(ASSETS / "leo").id != load(ASSETS / "ada").id
    assert str(load(ASSETS / "ada").id) == "78244082-42de-5008-80d4-56e1eaa7a1d6"


@pytest.mark.parametrize("inner", ["avatar.json", "eve/avatar.json"])
def test_a_zip_file_loads_like_a_folder(tmp_path, inner):
    path = write_zip(tmp_path / "eve.zip", {inner: json.dumps(MANIFEST)})

    assert load(path).name == "eve"
    assert load(path).style == load(ASSETS / "ada").style


def without(name):
    return {k: v for k, v in MANIFEST.items() if k != name}


def with_look(**changes):
    return {**MANIFEST, "look": {**MANIFEST["look"], **changes}}


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("{not json", "avatar.json is not JSON"),
        ("[1, 2]", "must be a JSON object"),
        ("[" * 20_000, "avatar.json is not JSON"),
        (" " * 70_000, "over 65536 bytes"),
        (without("title"), "title is missing: add a text"),
        (without("look"), "look is missing"),
        ({**MANIFEST, "schema": 9}, "schema is 9; this server reads 1"),
        ({**MANIFEST, "schema": True}, "schema is true, expected a number"),
        ({**MANIFEST, "rig": "live2d"}, "expected one of drawn, fiducial"),
        ({**MANIFEST, "rig": []}, "expected one of drawn, fiducial"),
        ({**MANIFEST, "colour": 1}, "unknown field colour; the fields are: author"),
        (with_look(skin="peach"), 'look.skin is "peach", expected a colour'),
        (with_look(skin=7), "look.skin is 7, expected a colour"),
        (with_look(hair_style="afro"), "look.hair_style is"),
        (with_look(jaw=3), "look.jaw is 3, expected a number from 0 to 1"),
        (with_look(jaw=float("nan")), "look.jaw is NaN"),
        (with_look(hat="red"), "unknown field look.hat"),
    ],
)
def test_a_broken_manifest_is_refused_with_field_and_remedy(
    tmp_path, manifest, message
):
    with pytest.raises(BrokenAvatar) as error:
        load(write_package(tmp_path, "eve", manifest))

    assert message in str(error.value)


def test_valid_packages_load_beside_broken_ones(tmp_path):
    shutil.copytree(ASSETS / "leo", tmp_path / "leo")
    (tmp_path / "empty").mkdir()
    (tmp_path / "fake.zip").write_bytes(b"not a zip")
    (tmp_path / "bad name!").mkdir()
    (tmp_path / "README.md").write_text("not a package")
    write_zip(tmp_path / "slip.zip", {"../avatar.json": "{}"})
    write_zip(tmp_path / "root.zip", {"/avatar.json": "{}"})
    write_zip(tmp_path / "unnamed.zip", {".": "{}"})
    write_zip(tmp_path / "hollow.zip", {"readme.txt": "hello"})
    write_zip(tmp_path / "leo.zip", {"avatar.json": json.dumps(MANIFEST)})

    catalog = load_all(tmp_path)

    assert set(catalog.avatars) == {"leo"}
    assert catalog.broken.keys() == {
        "empty", "fake.zip", "bad name!", "slip.zip", "root.zip", "hollow.zip",
        "unnamed.zip", "leo.zip",
    }  # fmt: skip
    assert "cannot be read" in catalog.broken["empty"]
    assert "not a zip" in catalog.broken["fake.zip"]
    assert "missing" in catalog.broken["unnamed.zip"]
    assert "outside" in catalog.broken["slip.zip"]
    assert "outside" in catalog.broken["root.zip"]
    assert "missing" in catalog.broken["hollow.zip"]
    assert "folder 'leo'" in catalog.broken["leo.zip"]


def test_a_missing_folder_gives_an_empty_catalog(tmp_path):
    catalog = load_all(tmp_path / "nowhere")

    assert (catalog.avatars, catalog.broken) == ({}, {})
