"""Avatar packages in a folder that changes."""

import contextlib
import dataclasses
import errno
import json
import os
import resource
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from lite_gateway.api.avatars import _loaded_items
from lite_gateway.avatars import AvatarPackages
from lite_gateway.config import Config, shipped_avatars
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store
from renderer.avatar import AvatarCatalog, UnreadableAvatar, avatar_id, load

FIDUCIAL = shipped_avatars() / "fiducial"


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(FIDUCIAL, tmp_path / "ida")
    set_title(tmp_path / "ida", "Ida")
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


def test_images_of_a_trusted_folder_are_checked_when_they_change(folder):
    shutil.copytree(shipped_avatars() / "mira", folder / "mira")
    (folder / "mira" / "mouth.webp").write_bytes(b"no image")
    packages = AvatarPackages(folder, trusted=True)
    assert packages.find("mira") is not None
    assert AvatarPackages(folder).find("mira") is None

    (folder / "mira" / "mouth.webp").write_bytes(b"no image either")
    assert rescan_twice(packages) == {"mira"}
    assert "mouth.webp" in packages.find_broken("mira")[1]


def test_new_package_is_found_by_name_and_id(folder):
    packages = AvatarPackages(folder)
    shutil.copytree(FIDUCIAL, folder / "zoe")
    assert rescan_twice(packages) == {"zoe"}
    assert packages.find("zoe") == packages.find(str(avatar_id("zoe"))) is not None
    assert packages.find("ida") is not None


def test_changed_package_is_loaded_again(folder):
    packages = AvatarPackages(folder)
    set_title(folder / "ida", "Another Ida")
    assert rescan_twice(packages) == {"ida"}
    assert packages.find("ida").title == "Another Ida"
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
    set_title(folder / "ida", 7)
    assert rescan_twice(packages) == {"ida"}
    assert packages.find("ida") is None
    name, error = packages.find_broken(str(avatar_id("ida")))
    assert name == "ida"
    assert "title is 7" in error
    set_title(folder / "ida", "Ida")
    assert rescan_twice(packages) == {"ida"}
    assert packages.find_broken("ida") is None
    assert packages.find("ida") is not None


def test_removed_packages_are_unloaded(folder):
    shutil.copytree(FIDUCIAL, folder / "zoe")
    packages = AvatarPackages(folder)
    shutil.rmtree(folder / "zoe")
    assert rescan_twice(packages) == {"zoe"}
    assert packages.find("zoe") is None
    assert packages.find("ida") is not None


def test_zip_with_the_name_of_a_folder_does_not_break_the_folder(folder):
    packages = AvatarPackages(folder)
    (folder / "ida.zip").write_bytes(b"no zip")
    assert rescan_twice(packages) == {"ida"}
    assert packages.find("ida") is not None
    assert list(packages.broken()) == []


# Faults of the system and of the disk are no change of the packages.


@contextlib.contextmanager
def no_file_left():
    """Let the process open no further file, as when strangers hold all of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    assert highest < soft
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_avatars_stay_while_no_file_can_be_opened(folder, caplog):
    packages = AvatarPackages(folder)
    catalog = packages.catalog
    set_title(folder / "ida", "Another Ida")
    with no_file_left():
        assert rescan_twice(packages) == set()
    assert packages.catalog is catalog
    assert caplog.text.count("the folder of avatars cannot be listed") == 1
    assert rescan_twice(packages) == {"ida"}
    assert packages.find("ida").title == "Another Ida"


def test_a_package_that_cannot_be_read_now_stays_and_is_tried_again(
    folder, monkeypatch
):
    packages = AvatarPackages(folder)
    set_title(folder / "ida", "Another Ida")

    def fail(path):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("renderer.package._open_regular", fail)
        assert rescan_twice(packages) == set()
        assert packages.find("ida").title == "Ida"
        assert AvatarPackages(folder).find_broken("ida") is not None
    assert packages.rescan() == {"ida"}
    assert packages.find("ida").title == "Another Ida"


@pytest.mark.parametrize("mount_point_stays", [True, False])
def test_avatars_stay_when_the_mount_is_gone(folder, mount_point_stays, caplog):
    packages = AvatarPackages(folder)
    shutil.rmtree(folder)
    if mount_point_stays:
        folder.mkdir()
    assert rescan_twice(packages) == set()
    assert packages.find("ida") is not None
    assert "the loaded avatars stay" in caplog.text


def unlistable(folder: Path) -> None:
    """Make a folder one that nobody can list, also not root."""
    folder.rename(folder.with_name("aside"))
    folder.touch()


def listable(folder: Path) -> None:
    folder.unlink()
    folder.with_name("aside").rename(folder)


@pytest.mark.parametrize("bad", ["created", "avatars"])
def test_a_folder_that_cannot_be_listed_is_told_once_and_the_other_one_is_read(
    tmp_path, caplog, bad
):
    folders = {name: tmp_path / name for name in ("created", "avatars")}
    for name, path in folders.items():
        shutil.copytree(FIDUCIAL, path / f"of-{name}")
    [good] = folders.keys() - {bad}
    packages = AvatarPackages(folders["avatars"], folders["created"])

    unlistable(folders[bad])
    shutil.copytree(FIDUCIAL, folders[good] / "zoe")

    assert rescan_twice(packages) == {"zoe"}
    assert {*packages.catalog.avatars} == {"of-created", "of-avatars", "zoe"}
    assert caplog.text.count("cannot be listed (Not a directory)") == 1
    assert ("--created-avatars" in caplog.text) == (bad == "created")
    listable(folders[bad])
    shutil.rmtree(folders[bad] / f"of-{bad}")
    shutil.copytree(FIDUCIAL, folders[bad] / "eve")
    assert rescan_twice(packages) == {"eve", f"of-{bad}"}


@pytest.mark.parametrize("folder_stays", [True, False])
def test_avatars_that_people_made_go_with_their_folder_and_the_log_says_so_once(
    folder, caplog, folder_stays
):
    created = folder / ".created"
    for name in ("ana", "ben"):
        shutil.copytree(FIDUCIAL, created / name)
    packages = AvatarPackages(folder, created)
    shutil.rmtree(created)
    if folder_stays:  # as a mount point does
        created.mkdir()

    assert rescan_twice(packages) == {"ana", "ben"}
    assert packages.rescan() == set()

    assert packages.catalog.avatars.keys() == {"ida"}
    assert packages.created_count() == 0
    warnings = [one for one in caplog.records if one.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "its avatars leave the list" in warnings[0].getMessage()
    assert "--created-avatars" in warnings[0].getMessage()
    # They come back, and a second loss is told again.
    shutil.copytree(FIDUCIAL, created / "ana")
    assert rescan_twice(packages) == {"ana"}
    shutil.rmtree(created)
    assert rescan_twice(packages) == {"ana"}
    assert caplog.text.count("its avatars leave the list") == 2


def test_a_draft_stays_where_it_is_while_no_file_can_be_opened(folder):
    packages = AvatarPackages(folder, folder / ".created")
    place = folder / ".created" / ".jobs-1" / "zoe"
    draft = packages.add_draft(shutil.copytree(FIDUCIAL, place))
    with no_file_left(), pytest.raises(UnreadableAvatar):
        packages.keep(draft)
    assert packages.find("zoe") is draft
    assert [path.name for path in (folder / ".created").iterdir()] == [".jobs-1"]
    assert packages.keep(draft).package.path == folder / ".created" / "zoe"


def test_a_gateway_starts_with_a_folder_that_cannot_be_listed(folder, caplog):
    (folder / "created").touch()
    packages = AvatarPackages(folder, folder / "created")
    assert packages.find("ida") is not None
    assert "the folder of --created-avatars" in caplog.text


def test_a_folder_that_appears_later_is_loaded(tmp_path):
    packages = AvatarPackages(tmp_path / "later")
    assert packages.catalog.avatars == {}
    shutil.copytree(FIDUCIAL, tmp_path / "later" / "ida")
    assert rescan_twice(packages) == {"ida"}


def test_one_avatar_that_cannot_be_listed_hides_no_other(folder, caplog):
    """No package loads with such a title: this is the second line of defence."""
    store = Store.open(str(folder / "state.db"), KeyRing(path=folder / "key"))
    ida = load(folder / "ida")
    odd = dataclasses.replace(ida, name="odd", title="\ud800")
    catalog = AvatarCatalog({"ida": ida, "odd": odd}, {})
    service = SimpleNamespace(
        catalog=catalog, config=Config(livekit_url="ws://x"), built_in_voices=()
    )
    items = store.run_sync(lambda db: _loaded_items(db, service))
    store.close()
    assert [item.name for item in items] == ["ida"]
    assert "avatar odd cannot be listed" in caplog.text


def test_one_odd_file_leaves_the_others_loaded_and_can_be_listed(folder):
    with zipfile.ZipFile(folder / "odd.zip", "w") as out:
        out.writestr(".", "x")
    os.mkfifo(folder / "pipe.zip")
    shutil.copytree(FIDUCIAL, folder / "surrogate")
    set_title(folder / "surrogate", "\ud800")
    (folder / os.fsdecode(b"\xff")).mkdir()
    packages = AvatarPackages(folder)
    assert packages.catalog.avatars.keys() == {"ida"}
    listed = list(packages.broken())
    assert len(listed) == 4
    for _, name, error in listed:
        (name + error).encode()
