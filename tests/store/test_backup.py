"""Backup and restore of the database, beside a gateway that uses it."""

import contextlib
import shutil
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from bench.probe.postgres import empty_database
from lite_gateway.errors import ConfigError, StoreUnavailable
from lite_gateway.store import backup, instances, keys, secrets
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store
from lite_gateway.store.models import InstanceRow, SecretRow, SessionRow
from tests.conftest import ROOT
from tests.store.test_store import session


def fill(store: Store) -> str:
    """Add a session, a key and a secret; return the key's text."""
    ring = store.key_ring
    store.run_sync(lambda db: session(db, "i", started=True, id="s"))
    store.run_sync(lambda db: secrets.add(db, ring, "n", "k", "sk-very-secret"))
    return store.run_sync(lambda db: keys.create(db, "robot", ["mint"]))[1]


def assert_filled(store: Store, key: str) -> None:
    assert store.run_sync(lambda db: db.get(SessionRow, "s")).avatar == "mira"
    assert store.run_sync(lambda db: keys.find(db, key)).name == "robot"
    row = store.run_sync(lambda db: db.scalar(select(SecretRow)))
    read = store.run_sync(lambda db: secrets.read(db, store.key_ring, row.id))
    assert read == "sk-very-secret"


@pytest.fixture
def running(tmp_path):
    """Store of a gateway that runs: its last writes are not in the file itself."""
    path = tmp_path / "data" / "state.db"
    store = Store.open(str(path), KeyRing(path=path.with_name("state.key")))
    store.run_sync(instances.register)
    yield store, path
    store.close()


def stop(store: Store) -> None:
    store.run_sync(lambda db: db.execute(delete(InstanceRow)))
    store.close()


def test_a_backup_of_a_running_gateway_is_restored_on_another_machine(
    running, tmp_path
):
    store, path = running
    key = fill(store)
    shutil.copy(path, tmp_path / "plain copy.db")
    copy, key_copy = tmp_path / "backup.db", tmp_path / "backup.key"
    backup.back_up(str(path), copy)
    store.key_ring.copy_file(key_copy)
    for file in (copy, key_copy):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(tmp_path.glob("backup.db-*"))
    store.run_sync(lambda db: keys.revoke(db, "robot"))  # not in the backup

    # What the documentation warns of: the file alone has no session.
    with contextlib.closing(sqlite3.connect(tmp_path / "plain copy.db")) as plain:
        tables = plain.execute("select name from sqlite_master").fetchall()
        if ("lite_sessions",) in tables:
            assert plain.execute("select * from lite_sessions").fetchall() == []

    new = tmp_path / "new" / "state.db"
    new.parent.mkdir()
    shutil.copy(key_copy, new.with_name("state.key"))
    ring = KeyRing(path=new.with_name("state.key"))
    backup.restore(str(new), copy, ring, replace=False)
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    assert {file.name for file in new.parent.iterdir()} == {"state.db", "state.key"}
    with contextlib.closing(Store.open(str(new), ring)) as restored:
        assert_filled(restored, key)
        assert restored.run_sync(backup.contents) == "1 sessions, 1 API keys, 1 secrets"


def test_a_restore_replaces_what_was_there_only_when_told_to(running, tmp_path):
    store, path = running
    key = fill(store)
    backup.back_up(str(path), tmp_path / "backup.db")
    store.run_sync(lambda db: keys.revoke(db, "robot"))

    def restore(**options) -> None:
        backup.restore(str(path), tmp_path / "backup.db", store.key_ring, **options)

    with pytest.raises(ConfigError, match="--replace"):
        restore(replace=False)
    with pytest.raises(ConfigError, match=r"a gateway uses the database \(pid \d+ on"):
        restore(replace=True)
    # In a container, another process is not visible: its heartbeat tells.
    store.run_sync(lambda db: db.execute(update(InstanceRow).values(host="other")))
    with pytest.raises(ConfigError, match="on other"):
        restore(replace=True)
    stop(store)
    restore(replace=True)
    with contextlib.closing(Store.open(str(path), store.key_ring)) as restored:
        assert_filled(restored, key)


def test_a_restore_with_other_keys_changes_nothing(running, tmp_path):
    store, path = running
    fill(store)
    backup.back_up(str(path), tmp_path / "backup.db")
    other = tmp_path / "other" / "state.db"
    ring = KeyRing(path=other.with_name("state.key"))
    with pytest.raises(ConfigError, match="Restore the key file"):
        backup.restore(str(other), tmp_path / "backup.db", ring, replace=False)
    ring.create_file()
    with pytest.raises(StoreUnavailable, match="no key of"):
        backup.restore(str(other), tmp_path / "backup.db", ring, replace=False)
    assert {file.name for file in other.parent.iterdir()} == {"state.key"}


@pytest.mark.parametrize("damage", ["cut", "text", "flipped"])
def test_a_damaged_copy_is_refused_and_the_database_stays(running, tmp_path, damage):
    store, path = running
    key = fill(store)
    copy = tmp_path / "backup.db"
    backup.back_up(str(path), copy)
    stop(store)
    data = bytearray(copy.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "text":
        data = bytearray(b"no database at all" * 100)
    else:
        data[4096:] = bytes(255 - byte for byte in data[4096:])
    copy.write_bytes(data)
    with pytest.raises(ConfigError, match=r"backup\.db"):
        backup.restore(str(path), copy, store.key_ring, replace=True)
    with contextlib.closing(Store.open(str(path), store.key_ring)) as after:
        assert_filled(after, key)


def test_a_backup_overwrites_nothing(running, tmp_path):
    store, path = running
    (tmp_path / "backup.db").write_text("precious")
    with pytest.raises(ConfigError, match="cannot be created"):
        backup.back_up(str(path), tmp_path / "backup.db")
    (tmp_path / "key").write_text("precious")
    with pytest.raises(ConfigError, match="cannot be created"):
        store.key_ring.copy_file(tmp_path / "key")
    for name in ("backup.db", "key"):
        assert (tmp_path / name).read_text() == "precious"


def test_a_backup_of_postgres_names_its_own_programs(tmp_path):
    with pytest.raises(ConfigError, match=r"pg_dump --format=custom"):
        backup.back_up("postgresql://u:secret@h/db", tmp_path / "backup.db")


@pytest.mark.postgres
def test_the_documented_lines_for_postgres_work(postgres, tmp_path):
    old, new = empty_database(postgres), empty_database(postgres)
    ring = KeyRing(path=tmp_path / "state.key")
    with contextlib.closing(Store.open(old, ring)) as store:
        key = fill(store)
    programs = Path(
        subprocess.check_output(ROOT / "tools" / "postgres.sh", text=True).strip()
    )
    lines = [
        line
        for line in (ROOT / "docs" / "operations.md").read_text().splitlines()
        if line.startswith(("pg_dump ", "pg_restore "))
    ]
    assert len(lines) == 2
    for line, url in zip(lines, (old, new), strict=True):
        command = line.replace('"$LITE_DATABASE"', f"'{url}'")
        assert url in command
        subprocess.run(f"{programs}/{command}", shell=True, check=True, cwd=tmp_path)
    with contextlib.closing(Store.open(new, ring)) as store:
        assert_filled(store, key)
