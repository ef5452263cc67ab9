"""Avatar packages in a folder that changes."""

import json
import shutil
from pathlib import Path

import pytest

from lite_gateway.avatars import AvatarPackages
from lite_gateway.config import shipped_avatars
from renderer.avatar import avatar_id

LEO = shipped_avatars() / "leo"


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(LEO, tmp_path / "leo")
    return tmp_path


def retitled(package: Path, title: object) -> None:
    manifest = package / "avatar.json"
    read = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**read, "title": title}))


def settled(packages: AvatarPackages) -> set[str]:
    """A change is seen at one look and taken at the next, if it was the last."""
    assert packages.look() == set()
    return packages.look()


def test_what_does_not_change_is_not_loaded_again(folder):
    packages = AvatarPackages(folder)
    shelf = packages.shelf
    assert settled(packages) == set()
    assert packages.shelf is shelf


def test_a_new_package_is_found_by_its_name_and_by_its_id(folder):
    packages = AvatarPackages(folder)
    shutil.copytree(LEO, folder / "zoe")
    assert settled(packages) == {"zoe"}
    assert packages.find("zoe") == packages.find(str(avatar_id("zoe"))) is not None
    assert packages.find("leo") is not None


def test_a_changed_package_is_loaded_again(folder):
    packages = AvatarPackages(folder)
    retitled(folder / "leo", "Another Leo")
    assert settled(packages) == {"leo"}
    assert packages.find("leo").title == "Another Leo"
    assert packages.look() == set()


def test_what_is_still_being_copied_is_left_alone(folder):
    packages = AvatarPackages(folder)
    for size in (10, 20, 30):
        (folder / "half.zip").write_bytes(b"P" * size)
        assert packages.look() == set()
        assert not packages.shelf.broken
    assert packages.look() == {"half"}
    assert list(packages.broken()) == [
        (avatar_id("half"), "half", packages.shelf.broken["half.zip"])
    ]


def test_a_package_that_breaks_says_why_and_works_again_when_it_is_mended(folder):
    packages = AvatarPackages(folder)
    retitled(folder / "leo", 7)
    assert settled(packages) == {"leo"}
    assert packages.find("leo") is None
    name, why = packages.why_broken(str(avatar_id("leo")))
    assert name == "leo"
    assert "title is 7" in why
    retitled(folder / "leo", "Leo")
    assert settled(packages) == {"leo"}
    assert packages.why_broken("leo") is None
    assert packages.find("leo") is not None


def test_a_package_that_is_removed_is_gone_and_so_is_all_when_the_folder_goes(folder):
    shutil.copytree(LEO, folder / "zoe")
    packages = AvatarPackages(folder)
    shutil.rmtree(folder / "zoe")
    assert settled(packages) == {"zoe"}
    assert packages.find("zoe") is None
    shutil.rmtree(folder)
    assert settled(packages) == {"leo"}
    assert not packages.shelf.avatars


def test_a_spare_zip_beside_a_folder_of_its_name_breaks_only_itself(folder):
    packages = AvatarPackages(folder)
    (folder / "leo.zip").write_bytes(b"no zip")
    assert settled(packages) == {"leo"}
    assert packages.find("leo") is not None
    assert list(packages.broken()) == []
