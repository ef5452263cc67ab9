"""
Backup and restore of an SQLite database, also while a gateway writes to it.

A copy of the file alone is not enough: what was written last is in the file beside it
that ends in ``-wal``.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Db

from lite_gateway.errors import ConfigError
from lite_gateway.store import instances, secrets
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store, database_url
from lite_gateway.store.models import ApiKeyRow, SecretRow, SessionRow

_BUSY_S = 10.0
_PG_DUMP = (
    "Use PostgreSQL's own programs: pg_dump --format=custom --table='lite_*' "
    "--file=FILE URL, and pg_restore --clean --if-exists --dbname=URL FILE."
)


def back_up(location: str, target: Path) -> None:
    """Write a copy of the database to the new file ``target``, with mode 0600."""
    source = _file(location)
    if not source.exists():
        raise ConfigError(
            "LITE_DATABASE", f"{source} does not exist", "Name a database."
        )
    with _new_file(target) as temporary:
        _copy(source, temporary)


def restore(location: str, source: Path, key_ring: KeyRing, *, replace: bool) -> None:
    """
    Replace the database by the copy in ``source``.

    Raise `ConfigError` and change nothing if a gateway uses the database, if there is
    one and ``replace`` is not set, or if ``source`` cannot be used. Raise
    `DecryptionFailed` if the keys are not those of the copy.
    """
    target = _file(location)
    if not source.is_file():
        raise ConfigError(
            "FILE", f"{source} does not exist", "Name a copy of a database."
        )
    key_ring.check()
    if target.exists():
        if not replace:
            fix = "Back it up, then use --replace."
            raise ConfigError("LITE_DATABASE", f"{target} exists", fix)
        _refuse_running_gateways(target, key_ring)
    with _new_file(target.with_name(f".{target.name}.restored")) as temporary:
        _copy(source, temporary)
        with contextlib.closing(Store.open(str(temporary), key_ring)) as store:
            store.run_sync(lambda db: secrets.check_keys(db, key_ring))
        target.touch(0o600)
        _copy(temporary, target)
        _remove(temporary)


def contents(db: Db) -> str:
    """Return how many rows of each kind the database has, for a message."""
    kinds = {"sessions": SessionRow, "API keys": ApiKeyRow, "secrets": SecretRow}
    return ", ".join(
        f"{db.scalar(select(func.count()).select_from(row))} {kind}"
        for kind, row in kinds.items()
    )


def _file(location: str) -> Path:
    url = database_url(location)
    if url.drivername != "sqlite" or not url.database:
        raise ConfigError("LITE_DATABASE", "it is not an SQLite file", _PG_DUMP)
    return Path(url.database)


def _refuse_running_gateways(target: Path, key_ring: KeyRing) -> None:
    try:
        store = Store.open(str(target), key_ring)
    except ConfigError as error:
        fix = f"Move it away ({target}, {target}-wal, {target}-shm), then try again."
        problem = f"{target} cannot be read ({error})"
        raise ConfigError("LITE_DATABASE", problem, fix) from None
    with contextlib.closing(store):
        if gateways := store.run_sync(instances.running):
            problem = f"a gateway uses the database ({', '.join(gateways)})"
            fix = "Stop it first. One that was killed counts for a minute."
            raise ConfigError("LITE_DATABASE", problem, fix)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Yield an empty file for its owner only; delete it if the block fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        problem = f"{path} cannot be created ({error.strerror})"
        raise ConfigError("FILE", problem, "Name a new file in a folder.") from None
    try:
        yield path
    except BaseException:
        _remove(path)
        raise


def _remove(path: Path) -> None:
    """Delete a database, with the files that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a database in one transaction, into a file that needs no other beside it."""
    try:
        with (
            contextlib.closing(_connect(source, "ro")) as reading,
            contextlib.closing(_connect(target, "rw")) as writing,
        ):
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode = DELETE")
            [[result]] = writing.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        problem = f"{source} cannot be copied to {target} ({error})"
        fix = "Try again, or use another copy."
        kind = getattr(error, "sqlite_errorcode", 0) & 0xFF  # other bits tell more
        if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            fix = "Make room on the disk, then try again."
        raise ConfigError("FILE", problem, fix) from None
    if result != "ok":
        raise ConfigError(
            "FILE", f"{source} is damaged ({result})", "Use another copy."
        )
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", timeout=_BUSY_S, uri=True
    )
