"""Choice of the first avatar, and what is logged where one is missing."""

import asyncio

import pytest

from lite_gateway.avatar_selection import AvatarSelection
from lite_gateway.avatars import AvatarPackages
from lite_gateway.config import shipped_avatars
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store
from tests.virtual import run


@pytest.fixture
def store(tmp_path):
    ring = KeyRing(path=tmp_path / "state.key")
    store = Store.open(str(tmp_path / "state.db"), ring)
    yield store
    store.close()


def first(selection: AvatarSelection) -> str:
    async def main() -> str:
        return (await selection.first(asyncio.Event())).name

    return run(main())


def test_the_default_avatar_is_the_first_one(few_avatars, store, caplog):
    packages = AvatarPackages(few_avatars)
    assert first(AvatarSelection(packages, store, "fiducial")) == "fiducial"
    assert not caplog.messages


def test_a_default_avatar_that_is_missing_is_logged(few_avatars, store, caplog):
    packages = AvatarPackages(few_avatars)
    assert first(AvatarSelection(packages, store, "mira")) == "fiducial"
    [message] = caplog.messages
    assert message.startswith("there is no avatar mira, the default")
    assert "LITE_DEFAULT_AVATAR" in message


def test_without_an_avatar_the_next_rescans_are_waited_for(tmp_path, store, caplog):
    folder, rescanned = tmp_path / "avatars", asyncio.Event()
    folder.mkdir()
    packages = AvatarPackages(folder)

    async def main() -> str:
        selection = AvatarSelection(packages, store, "fiducial")
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(selection.first(rescanned))
            for _ in range(3):
                await asyncio.sleep(1)
                packages.rescan()
                rescanned.set()
            assert not waiting.done()
            (folder / "fiducial").symlink_to(shipped_avatars() / "fiducial")
            for _ in range(2):  # a package that may still be copied is loaded later
                packages.rescan()
                rescanned.set()
        return waiting.result().name

    assert run(main()) == "fiducial"
    messages = [m for m in caplog.messages if m.startswith("not ready: there is no")]
    assert len(messages) == 1
    assert "LITE_AVATARS" in messages[0]
