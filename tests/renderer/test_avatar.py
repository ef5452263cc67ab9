"""Packages: what is broken says so, and the others still load."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from renderer.avatar import BrokenAvatar, load, load_all, make_rig
from renderer.face import face
from renderer.frames import RigInput

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "avatars"
MANIFEST = json.loads((ASSETS / "ada" / "avatar.json").read_text())


def package(folder, name, manifest):
    (folder / name).mkdir()
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    (folder / name / "avatar.json").write_text(text)
    return folder / name


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as out:
        for name, text in members.items():
            out.writestr(name, text)
    return path


def test_what_is_shipped_loads_and_draws():
    shelf = load_all(ASSETS)

    assert shelf.broken == {}
    assert {"ada", "leo", "fiducial"} <= set(shelf.avatars)
    for avatar in shelf.avatars.values():
        rig = make_rig(avatar, 96, 96, torch.device("cpu"))
        out = rig.draw(face()[None], [RigInput(0, 0, 0.0, 0.0)])
        assert out.shape == (1, 96 * 96 * 3 // 2)


def test_an_id_depends_on_the_name_alone(tmp_path):
    shutil.copytree(ASSETS / "leo", tmp_path / "ada")

    assert load(tmp_path / "ada").id == load(ASSETS / "ada").id
    assert load(ASSETS / "leo").id != load(ASSETS / "ada").id
    assert str(load(ASSETS / "ada").id) == "78244082-42de-5008-80d4-56e1eaa7a1d6"


@pytest.mark.parametrize("inner", ["avatar.json", "eve/avatar.json"])
def test_a_zip_is_as_good_as_a_folder(tmp_path, inner):
    path = zipped(tmp_path / "eve.zip", {inner: json.dumps(MANIFEST)})

    assert load(path).name == "eve"
    assert load(path).look == load(ASSETS / "ada").look


def without(name):
    return {k: v for k, v in MANIFEST.items() if k != name}


def with_look(**changes):
    return {**MANIFEST, "look": {**MANIFEST["look"], **changes}}


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ("{not json", "avatar.json is not JSON"),
        ("[1, 2]", "must be a JSON object"),
        ("[" * 20_000, "avatar.json is not JSON"),
        (" " * 70_000, "over 65536 bytes"),
        (without("title"), "title is missing; it must be a text"),
        (without("look"), "look is missing"),
        ({**MANIFEST, "schema": 9}, "schema is 9; this server reads 1"),
        ({**MANIFEST, "schema": True}, "schema is true; it must be a number"),
        ({**MANIFEST, "rig": "live2d"}, "must be one of drawn, fiducial"),
        ({**MANIFEST, "rig": []}, "must be one of drawn, fiducial"),
        ({**MANIFEST, "colour": 1}, "colour is not a field; there are: author"),
        (with_look(skin="peach"), 'look.skin is "peach"; it must be a colour'),
        (with_look(skin=7), "look.skin is 7; it must be a colour"),
        (with_look(hair_style="afro"), "look.hair_style is"),
        (with_look(jaw=3), "look.jaw is 3; it must be a number from 0 to 1"),
        (with_look(jaw=float("nan")), "look.jaw is NaN"),
        (with_look(hat="red"), "look.hat is not a field"),
    ],
)
def test_a_broken_manifest_says_what_would_be_right(tmp_path, manifest, says):
    with pytest.raises(BrokenAvatar) as error:
        load(package(tmp_path, "eve", manifest))

    assert says in str(error.value)


def test_the_others_load_when_some_are_broken(tmp_path):
    shutil.copytree(ASSETS / "leo", tmp_path / "leo")
    (tmp_path / "empty").mkdir()
    (tmp_path / "fake.zip").write_bytes(b"not a zip")
    (tmp_path / "bad name!").mkdir()
    (tmp_path / "README.md").write_text("not a package")
    zipped(tmp_path / "slip.zip", {"../avatar.json": "{}"})
    zipped(tmp_path / "root.zip", {"/avatar.json": "{}"})
    zipped(tmp_path / "hollow.zip", {"readme.txt": "hello"})
    zipped(tmp_path / "leo.zip", {"avatar.json": json.dumps(MANIFEST)})

    shelf = load_all(tmp_path)

    assert set(shelf.avatars) == {"leo"}
    assert shelf.broken.keys() == {
        "empty", "fake.zip", "bad name!", "slip.zip", "root.zip", "hollow.zip",
        "leo.zip",
    }  # fmt: skip
    assert "cannot be read" in shelf.broken["empty"]
    assert "not a zip" in shelf.broken["fake.zip"]
    assert "outside" in shelf.broken["slip.zip"]
    assert "outside" in shelf.broken["root.zip"]
    assert "missing" in shelf.broken["hollow.zip"]
    assert "folder 'leo'" in shelf.broken["leo.zip"]


def test_a_folder_that_is_not_there_is_an_empty_shelf(tmp_path):
    shelf = load_all(tmp_path / "nowhere")

    assert (shelf.avatars, shelf.broken) == ({}, {})
