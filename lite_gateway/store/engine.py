"""Connection to the database: open it, migrate it, and run transactions in threads."""

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy
from alembic import command
from alembic.config import Config as Alembic
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session as Db
from sqlalchemy.orm import sessionmaker

from lite_gateway.errors import ConfigError, StoreUnavailable
from lite_gateway.store.encryption import KeyRing
from lite_gateway.threads import pool

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_RETRY_S = 0.02
_BUSY_S = 5.0  # wait so long while another process writes
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x117E6A7E  # id of the advisory lock in PostgreSQL
_POSTGRES_THREADS = 4


class Store:
    """
    Database of the gateway.

    Each call is one transaction: committed when ``work`` returns, rolled back when it
    raises. `run` uses a thread, so that the event loop never waits for the database.
    """

    def __init__(self, engine: Engine, key_ring: KeyRing) -> None:
        self.key_ring = key_ring
        self._engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        sqlite = engine.dialect.name == "sqlite"  # allows one writer at a time
        self._threads = pool(1 if sqlite else _POSTGRES_THREADS, "store")

    @classmethod
    def open(cls, location: str, key_ring: KeyRing) -> Self:
        """
        Open a database, a file's path or a URL, and create or migrate its tables.

        Raise `ConfigError` if that fails or the key ring has no valid key.
        """
        url = database_url(location)
        if url.drivername.startswith("sqlite"):
            _create_file(url)
        key_ring.create_file()
        key_ring.check()
        engine = _engine(url)
        try:
            migrate(engine)
        except ConfigError:
            engine.dispose()
            raise
        return cls(engine, key_ring)

    def run_sync(self, work: Callable[[Db], Result]) -> Result:
        """
        Run a transaction in this thread: in commands, and before the event loop runs.

        Raise `StoreUnavailable` if the database does not work.
        """
        try:
            with self._sessions.begin() as db:
                return work(db)
        except DBAPIError as error:
            kind = type(error).__name__
            log.warning("database error, kind=%s", kind)
            raise StoreUnavailable(
                f"the server's database does not work at the moment ({kind}); try again"
            ) from error

    async def run(self, work: Callable[[Db], Result]) -> Result:
        """Run a transaction in a thread of the store; else as `run_sync`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.run_sync, work)

    async def aclose(self) -> None:
        """Close after the transactions that have begun."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self._engine.dispose()


def database_url(location: str) -> URL:
    """Return the URL of a database; ``location`` is a file's path (SQLite) or a URL."""
    if "://" not in location:
        return URL.create("sqlite", database=str(Path(location).expanduser()))
    try:
        url = make_url(location)
    except ArgumentError:
        raise ConfigError("LITE_DATABASE", "the URL is not valid", _FIX) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        problem = f"{url.drivername} databases are not supported"
        raise ConfigError("LITE_DATABASE", problem, _FIX)
    return url


def _create_file(url: URL) -> None:
    """Create the file readable by its owner only: it contains digests of API keys."""
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise ConfigError("LITE_DATABASE", "it names no file", _FIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ConfigError(
            "LITE_DATABASE",
            f"{path} cannot be written ({error.strerror})",
            "Name a file that the gateway may write.",
        ) from None


def _engine(url: URL) -> Engine:
    if url.drivername == "sqlite":
        arguments = {"timeout": _BUSY_S, "check_same_thread": False}
        engine = sqlalchemy.create_engine(url, connect_args=arguments)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return sqlalchemy.create_engine(
            url,
            pool_pre_ping=True,
            pool_size=_POSTGRES_THREADS,
            connect_args={"connect_timeout": 5, "tcp_user_timeout": 10_000},
        )
    except ModuleNotFoundError:
        raise ConfigError(
            "LITE_DATABASE",
            "PostgreSQL support is not installed",
            "Run: pip install 'lite-gateway[postgres]'",
        ) from None


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions, not the driver
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


def _begin_sqlite(connection: Connection) -> None:
    """
    Take the write lock at the start of each transaction.

    SQLite refuses at once, without waiting, to turn a read lock into a write lock
    while another process writes.
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(engine: Engine, revision: str = "head") -> None:
    """Migrate the tables up to ``revision``, in one process at a time."""
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                lock = sqlalchemy.func.pg_advisory_xact_lock(_MIGRATION_LOCK)
                connection.execute(sqlalchemy.select(lock))
            run_alembic(connection, lambda config: command.upgrade(config, revision))
    except CommandError as error:
        raise ConfigError(
            "LITE_DATABASE",
            f"{engine.url.render_as_string()} has an unknown version ({error})",
            "Run a newer lite-gateway, or name another database.",
        ) from None
    except SQLAlchemyError as error:
        why = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise ConfigError(
            "LITE_DATABASE",
            f"{engine.url.render_as_string()} cannot be used ({why})",
            "Start the database, or correct the URL.",
        ) from None


_alembic_lock = threading.Lock()  # Alembic keeps its context in a global variable


def run_alembic(connection: Connection, run: Callable[[Alembic], None]) -> None:
    """Run an Alembic command on ``connection``; ``run`` gets its configuration."""
    config = Alembic()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _alembic_lock:
        run(config)


_FIX = "Name a file, or postgresql://user:password@host/database."
