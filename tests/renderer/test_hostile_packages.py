"""Packages that are damaged or hostile: each is loaded or refused, nothing else."""

import json
import os
import random
import socket
import threading
import zipfile
from pathlib import Path

import pytest

import renderer.package
from renderer.avatar import (
    Avatar,
    BrokenAvatar,
    UnreadableAvatar,
    load,
    load_all,
    load_or_error,
)
from renderer.package import one_line
from tests.renderer.test_avatar import (
    ASSETS,
    FIDUCIAL,
    MANIFEST,
    PORTRAIT,
    write_package,
    write_zip,
)


def error_of(path: Path) -> BrokenAvatar:
    with pytest.raises(BrokenAvatar) as raised:
        load(path)
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize("name", [".", "/", "//", "a\\..\\b", "..", "C:"])
def test_odd_names_in_a_zip_raise_nothing_else(tmp_path, name):
    manifest = json.dumps(MANIFEST)
    error_of(write_zip(tmp_path / "eve.zip", {name: "x"}))
    write_zip(tmp_path / "eve.zip", {name: "x", "avatar.json": manifest})
    assert isinstance(load_or_error(tmp_path / "eve.zip"), Avatar | BrokenAvatar)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_damaged_stream_of_any_compression_is_a_broken_package(tmp_path, method):
    path = tmp_path / "eve.zip"
    with zipfile.ZipFile(path, "w", method) as out:
        out.writestr("avatar.json", json.dumps(MANIFEST))
        offset = out.filelist[0].header_offset + 30 + len("avatar.json")
    damaged = bytearray(path.read_bytes())
    damaged[offset + 4 : offset + 40] = bytes(36)
    path.write_bytes(damaged)
    error_of(path)


def test_only_regular_files_are_opened(tmp_path):
    """None of these may block: nobody writes to the pipes."""
    for name in ("pipe", "socket", "device"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe" / "avatar.json")
    os.mkfifo(tmp_path / "whole.zip")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket" / "avatar.json"))
    (tmp_path / "device" / "avatar.json").symlink_to("/dev/zero")
    catalog = load_all(tmp_path)
    assert catalog.avatars == {}
    assert catalog.broken.keys() == {"pipe", "socket", "device", "whole.zip"}
    assert "not a regular file" in catalog.broken["pipe"]
    assert "not a regular file" in catalog.broken["whole.zip"]
    assert "leads out" in catalog.broken["device"]


def test_links_within_a_package_are_followed_and_others_refused(tmp_path):
    """Kubernetes mounts a volume's files as links within the volume."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "data").mkdir()
    (tmp_path / "in" / "data" / "avatar.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "in" / "avatar.json").symlink_to("data/avatar.json")
    (tmp_path / "linked").symlink_to(FIDUCIAL)
    assert load(tmp_path / "in").title == MANIFEST["title"]
    assert load(tmp_path / "linked").name == "linked"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "avatar.json").symlink_to(FIDUCIAL / "avatar.json")
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "avatar.json").symlink_to("avatar.json")
    assert "leads out" in str(error_of(tmp_path / "out"))
    error_of(tmp_path / "loop")


@pytest.mark.parametrize("field", ["title", "licence", "author"])
@pytest.mark.parametrize("text", ["\ud800", "two\nlines", "\x1b[31m", "x" * 201, " "])
def test_a_text_that_no_list_can_show_is_refused(tmp_path, field, text):
    error = error_of(write_package(tmp_path, "eve", {**MANIFEST, field: text}))
    assert f"{field} is " in str(error)
    str(error).encode()


def test_a_text_in_any_script_is_listed(tmp_path):
    title = "アダ\u3000さん \N{FAMILY} \u0639\u0644\u064a"
    assert load(write_package(tmp_path, "eve", {**MANIFEST, "title": title}))


def test_error_texts_and_names_are_one_line_that_can_be_encoded(tmp_path):
    write_package(tmp_path, "eve", {**MANIFEST, "\ud800\n": 1})
    (tmp_path / os.fsdecode(b"\xff\n")).mkdir()
    for name, error in load_all(tmp_path).broken.items():
        assert (name + error).isprintable()
    assert one_line("a\nb" * 300, 20) == "a\\nba\\nba\\nba\\nba\\nb"[:19] + "…"


def test_an_unforeseen_exception_of_one_package_breaks_that_one_only(
    tmp_path, monkeypatch
):
    def fail(package):
        raise IndexError("an error that nobody expected")

    (tmp_path / "pattern").symlink_to(FIDUCIAL)
    (tmp_path / "mira").symlink_to(ASSETS / "mira")
    monkeypatch.setattr("renderer.avatar.load_portrait", fail)
    catalog = load_all(tmp_path)
    assert catalog.avatars.keys() == {"pattern"}
    assert "nobody expected" in catalog.broken["mira"]


def test_a_disk_that_hangs_is_left_after_a_while_and_not_asked_again(
    tmp_path, monkeypatch
):
    release = threading.Event()
    opened = []

    def hang(path):
        opened.append(path)
        release.wait()
        raise OSError(5, "Input/output error")

    package = write_package(tmp_path, "eve", MANIFEST)
    with monkeypatch.context() as patched:
        patched.setattr(renderer.package, "READ_S", 0.1)
        patched.setattr(renderer.package, "_open_regular", hang)
        for _ in range(3):
            assert isinstance(error_of(package), UnreadableAvatar)
        release.set()
        renderer.package._hanging[package].join()
        assert len(opened) == 1
    assert load(package).name == "eve"


def test_damage_anywhere_in_a_package_raises_nothing_else(tmp_path):
    """300 packages with flipped, missing and doubled bytes."""
    chance = random.Random(15)
    originals = []
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tmp_path / "original.zip", "w", method) as out:
            out.write(FIDUCIAL / "avatar.json", "avatar.json")
        originals.append((tmp_path / "original.zip").read_bytes())
    path, loaded = tmp_path / "eve.zip", 0
    for n in range(300):
        data = bytearray(originals[n % 2])
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    data[at] = chance.randrange(256)
                case 2:
                    del data[at : at + chance.randint(1, 30)]
                case _:
                    data[at:at] = data[at : at + chance.randint(1, 30)]
            data = data or bytearray(b"P")
        path.write_bytes(data)
        package = load_or_error(path)
        assert isinstance(package, Avatar | BrokenAvatar)
        loaded += isinstance(package, Avatar)
    assert 0 < loaded < 300


def test_damage_anywhere_in_a_manifest_raises_nothing_else(tmp_path):
    """The package has no images, so none of these loads as a portrait."""
    chance = random.Random(15)
    manifest = json.dumps(PORTRAIT).encode()
    folder = tmp_path / "eve"
    folder.mkdir()
    for _ in range(300):
        data = bytearray(manifest)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.choice(b'"{}[],:9e-\\u\xff\0')
        (folder / "avatar.json").write_bytes(data)
        assert isinstance(load_or_error(folder), BrokenAvatar)
