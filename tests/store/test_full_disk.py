"""Key files and backups on a full disk: one sentence, and no part of a file is left."""

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from lite_gateway.errors import ConfigError
from lite_gateway.store import backup
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow beyond ten bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "state.key"
    path.parent.mkdir()
    path.write_text(f"{Fernet.generate_key().decode()}\n")
    return path


def test_a_key_file_that_cannot_be_created_leaves_nothing(tmp_path):
    folder = tmp_path / "keys"
    with full_disk(), pytest.raises(ConfigError, match=r"state\.key cannot be written"):
        KeyRing(path=folder / "state.key").create_file()
    assert not files(folder)


def test_a_rotation_that_cannot_be_written_leaves_the_keys_as_they_were(key_file):
    before = files(key_file.parent)
    with full_disk(), pytest.raises(ConfigError, match="room on its disk"):
        KeyRing(path=key_file).rotate()
    assert files(key_file.parent) == before


def test_a_copy_of_the_keys_that_cannot_be_written_leaves_nothing(key_file, tmp_path):
    with full_disk(), pytest.raises(ConfigError, match=r"--key: .* cannot be created"):
        KeyRing(path=key_file).copy_file(tmp_path / "copy.key")
    assert not (tmp_path / "copy.key").exists()


def test_a_database_that_cannot_be_created_has_a_remedy(key_file, tmp_path):
    for database in (tmp_path / "state.db", key_file):  # which is no database
        with full_disk(), pytest.raises(ConfigError, match="on a disk that has room"):
            Store.open(str(database), KeyRing(path=key_file))


def test_a_backup_that_cannot_be_written_names_its_disk(key_file, tmp_path):
    database, copy = str(tmp_path / "state.db"), tmp_path / "copy.db"
    Store.open(database, KeyRing(path=key_file)).close()
    with full_disk(), pytest.raises(ConfigError, match=r"copy\.db .* Make room on"):
        backup.back_up(database, copy)
    assert not copy.exists()
