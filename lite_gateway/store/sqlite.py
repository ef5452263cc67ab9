"""SQLite: a file with one writer at a time, and readers that do not wait for it."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL

from lite_gateway.errors import ConfigError
from lite_gateway.store.deadlines import remaining_s

_RETRY_S = 0.02
_BUSY_S = 4.0  # wait so long while another process writes; below the store's deadline


def create_file(url: URL) -> None:
    """Create the file readable by its owner only: it contains digests of API keys."""
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise ConfigError("LITE_DATABASE", "it names no file", "Name a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ConfigError(
            "LITE_DATABASE",
            f"{path} cannot be written ({error.strerror})",
            "Name a file that the gateway may write.",
        ) from None


def sqlite_engine(url: URL, *, read_only: bool) -> Engine:
    """
    Return an engine for the file of ``url``.

    The transactions of a ``read_only`` one take no lock that a writer waits for.
    """
    arguments = {"timeout": _BUSY_S, "check_same_thread": False}
    engine = sqlalchemy.create_engine(url, connect_args=arguments)
    event.listen(engine, "connect", _prepare_reader if read_only else _prepare_writer)
    event.listen(engine, "begin", _begin_read if read_only else _begin_write)
    return engine


def _prepare_reader(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions, not the driver
    connection.execute("PRAGMA query_only = ON")


def _prepare_writer(connection: Any, _: object) -> None:
    connection.isolation_level = None
    _switch_to_wal(connection)
    # A committed transaction survives a power failure.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _switch_to_wal(connection: Any) -> None:
    """Switch the file to WAL. Retry: here SQLite does not wait for other processes."""
    deadline_s = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _begin_read(connection: Connection) -> None:
    """Begin without a lock: in WAL mode a reader sees the last commit, and goes on."""
    _wait_until_deadline(connection)
    connection.exec_driver_sql("BEGIN DEFERRED")


def _begin_write(connection: Connection) -> None:
    """
    Take the write lock at the start of each transaction.

    SQLite refuses at once, without waiting, to turn a read lock into a write lock
    while another process writes.
    """
    _wait_until_deadline(connection)
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _wait_until_deadline(connection: Connection) -> None:
    """Let SQLite wait for a lock for as long as the caller waits, and no longer."""
    wait_ms = round(remaining_s(_BUSY_S) * 1000)
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait_ms}")
