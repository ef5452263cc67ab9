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


def set_title(package: Path, title: object) -> None:
    manifest = package / "avatar.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "title": title}))


def rescan_twice(packages: AvatarPackages) -> set[str]:
    """Return the changes. The first rescan only notices them, the second loads them."""
    assert packages.rescan() == set()
    return packages.rescan()


def test_unchanged_packages_are_not_loaded_again(folder):
    packages = AvatarPackages(folder)
    catalog = packages.catalog
    assert rescan_twice(packages) == set()
    assert packages.catalog is catalog


def test_new_package_is_found_by_name_and_id(folder):
    packages = AvatarPackages(folder)
    shutil.copytree(LEO, folder / "zoe")
    assert rescan_twice(packages) == {"zoe"}
    assert packages.find("zoe") == packages.find(str(avatar_id("zoe"))) is not None
    assert packages.find("leo") is not None


def test_changed_package_is_loaded_again(folder):
    packages = AvatarPackages(folder)
    set_title(folder / "leo", "Another Leo")
    assert rescan_twice(packages) == {"leo"}
    assert packages.find("leo").title == "Another Leo"
    assert packages.rescan() == set()


def test_package_that_is_still_copied_is_not_loaded(folder):
    packages = AvatarPackages(folder)
    for size in (10, 20, 30):
        (folder / "half.zip").write_bytes(b"P" * size)
        assert packages.rescan() == set()
        assert not packages.catalog.broken
    assert packages.rescan() == {"half"}
    assert list(packages.broken()) == [
        (avatar_id("half"), "half", packages.catalog.broken["half.zip"])
    ]


def test_broken_package_has_an_error_and_works_again_when_corrected(folder):
    packages = AvatarPackages(folder)
    set_title(folder / "leo", 7)
    assert rescan_twice(packages) == {"leo"}
    assert packages.find("leo") is None
    name, error = packages.find_broken(str(avatar_id("leo")))
    assert name == "leo"
    assert "title is 7" in error
    set_title(folder / "leo", "Leo")
    assert rescan_twice(packages) == {"leo"}
    assert packages.find_broken("leo") is None
    assert packages.find("leo") is not None


def test_removed_packages_and_folders_are_unloaded(folder):
    shutil.copytree(LEO, folder / "zoe")
    packages = AvatarPackages(folder)
    shutil.rmtree(folder / "zoe")
    assert rescan_twice(packages) == {"zoe"}
    assert packages.find("zoe") is None
    shutil.rmtree(folder)
    assert rescan_twice(packages) == {"leo"}
    assert not packages.catalog.avatars


def test_zip_with_the_name_of_a_folder_does_not_break_the_folder(folder):
    packages = AvatarPackages(folder)
    (folder / "leo.zip").write_bytes(b"no zip")
    assert rescan_twice(packages) == {"leo"}
    assert packages.find("leo") is not None
    assert list(packages.broken()) == []
