"""Connection to the database: open it, migrate it, and run transactions in threads."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session as Db
from sqlalchemy.orm import sessionmaker

from lite_gateway.errors import ConfigError, GatewayError
from lite_gateway.foreign.text import foreign_text
from lite_gateway.store.deadlines import time_limit
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.failures import store_error
from lite_gateway.store.models import PREFIX
from lite_gateway.store.sqlite import create_file, sqlite_engine
from lite_gateway.store.workers import DatabaseThreads

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class UnknownRevision(Exception):
    """The database was migrated by a newer version of this program."""


DEADLINE_S = 5.0  # of a transaction; then the caller gets `StoreUnavailable`
_CLOSE_S = 2.0
_MIGRATION_S = 120.0
VERSIONS = PREFIX + "version"  # table with the revision of the others
MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x117E6A7E  # id of the advisory lock in PostgreSQL
_READERS = 3  # threads
_PUBLIC_READERS = 2
_SQLITE_WRITERS = 1  # SQLite allows one writer at a time
_POSTGRES_WRITERS = 3
_MAX_WAITING = 64  # transactions, for each kind of thread


class Store:
    """
    Database of the gateway.

    Each call is one transaction: committed when ``work`` returns, rolled back when it
    raises. `run` and `read` use threads, so that the event loop never waits for the
    database; they end within `DEADLINE_S` whatever the database does. Every error of
    the database is a `StoreUnavailable` (try again) or a `StoreRejected` (do not).
    """

    def __init__(self, writer: Engine, reader: Engine, key_ring: KeyRing) -> None:
        self.key_ring = key_ring
        self._engines = (writer, reader)
        self._writing = sessionmaker(writer, expire_on_commit=False)
        self._reading = sessionmaker(reader, expire_on_commit=False)
        sqlite = writer.dialect.name == "sqlite"
        writers = _SQLITE_WRITERS if sqlite else _POSTGRES_WRITERS
        self._writers = DatabaseThreads(writers, "store", max_waiting=_MAX_WAITING)
        self._public = DatabaseThreads(
            _PUBLIC_READERS, "store-public", max_waiting=_MAX_WAITING
        )
        self._readers = DatabaseThreads(
            _READERS, "store-read", max_waiting=_MAX_WAITING
        )

    @classmethod
    def open(cls, location: str, key_ring: KeyRing) -> Self:
        """
        Open a database, a file's path or a URL, and create or migrate its tables.

        Raise `ConfigError` if that fails or the key ring has no valid key.
        """
        writer, reader = _engines(database_url(location))
        try:
            key_ring.create_file()
            key_ring.check()
            migrate(writer)
        except ConfigError:
            writer.dispose()
            raise
        return cls(writer, reader, key_ring)

    def run_sync(self, work: Callable[[Db], Result]) -> Result:
        """
        Run a transaction in this thread: in commands, and before the event loop runs.

        Raise `StoreUnavailable` or `StoreRejected` if the database does not take it.
        """
        with time_limit(time.monotonic() + DEADLINE_S):
            return _transact(self._writing, work)

    async def run(self, work: Callable[[Db], Result]) -> Result:
        """Run a transaction in a thread of the store; else as `run_sync`."""
        return await self._writers.run(
            partial(_transact, self._writing, work), DEADLINE_S
        )

    async def read(self, work: Callable[[Db], Result]) -> Result:
        """Run a transaction that changes nothing. It waits for none of `run`."""
        return await self._readers.run(
            partial(_transact, self._reading, work), DEADLINE_S
        )

    async def read_public(self, work: Callable[[Db], Result]) -> Result:
        """Read for a caller without a key: those with one do not wait behind it."""
        return await self._public.run(
            partial(_transact, self._reading, work), DEADLINE_S
        )

    async def aclose(self) -> None:
        """Close after the transactions that have begun, within seconds."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Close as `aclose`. What the database holds is closed when it lets go."""
        closing = threading.Thread(target=self._close, name="store-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
        if closing.is_alive():
            log.warning("the database does not answer: its connections are left open")

    def _close(self) -> None:
        for threads in (self._writers, self._readers, self._public):
            threads.stop()
        for engine in self._engines:
            engine.dispose()


def _transact(
    sessions: sessionmaker[Db],
    work: Callable[[Db], Result],
    check_wanted: Callable[[], None] = lambda: None,
) -> Result:
    """Run one transaction; roll it back if ``check_wanted`` raises at its end."""
    try:
        with sessions.begin() as db:
            result = work(db)
            db.flush()  # else the statements would be sent after the check
            check_wanted()
            return result
    except GatewayError:
        raise
    except Exception as error:  # boundary: no error of a driver goes further
        raise store_error(error) from error


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
        problem = "databases of that kind are not supported"
        raise ConfigError("LITE_DATABASE", problem, _FIX)
    return url


def _engines(url: URL) -> tuple[Engine, Engine]:
    """Return the engine of transactions that write, and that of those that read."""
    if url.drivername == "sqlite":
        create_file(url)
        return sqlite_engine(url, read_only=False), sqlite_engine(url, read_only=True)
    try:
        from lite_gateway.store.postgres import postgres_engine
    except ModuleNotFoundError:
        raise ConfigError(
            "LITE_DATABASE",
            "PostgreSQL support is not installed",
            "Run: pip install 'lite-gateway[postgres]'",
        ) from None
    engine = postgres_engine(url, _POSTGRES_WRITERS + _READERS + _PUBLIC_READERS)
    return engine, engine.execution_options(postgresql_readonly=True)


def migrate(engine: Engine) -> None:
    """Migrate the tables to the newest revision, in one process at a time."""
    try:
        with time_limit(time.monotonic() + _MIGRATION_S), engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                _prepare_postgres(connection)
            if not _is_migrated(connection):
                from lite_gateway.store.migrating import upgrade

                upgrade(connection)
    except UnknownRevision as error:
        raise ConfigError(
            "LITE_DATABASE",
            f"{_shown(engine.url)} has an unknown version ({foreign_text(error)})",
            "Run a newer lite-gateway, or name another database.",
        ) from None
    except SQLAlchemyError as error:
        text = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        why = foreign_text(text, secrets=_secrets(engine.url))
        fix = "Start the database, or correct the URL."
        if engine.dialect.name == "sqlite":
            fix = "Name a file of a gateway, or a new one on a disk that has room."
        problem = f"{_shown(engine.url)} cannot be used ({why})"
        raise ConfigError("LITE_DATABASE", problem, fix) from None


def _is_migrated(connection: Connection) -> bool:
    """
    Return whether the tables have the newest revision.

    Alembic would find that out too, but importing it takes a tenth of a second.
    """
    if not sqlalchemy.inspect(connection).has_table(VERSIONS):
        return False
    revision: sqlalchemy.ColumnClause[str] = sqlalchemy.column("version_num")
    query = sqlalchemy.select(revision).select_from(sqlalchemy.table(VERSIONS))
    return list(connection.scalars(query)) == [newest_revision()]


def newest_revision() -> str:
    """Return the newest revision; migrations are files named v0001_TITLE.py."""
    return max(path.stem for path in MIGRATIONS.glob("versions/v*.py"))[1:5]


def _prepare_postgres(connection: Connection) -> None:
    from lite_gateway.store.postgres import check_encoding, unlimited

    check_encoding(connection)
    unlimited(connection)
    lock = sqlalchemy.func.pg_advisory_xact_lock(_MIGRATION_LOCK)
    connection.execute(sqlalchemy.select(lock))


def _shown(url: URL) -> str:
    """Return a URL without its password, wherever it has one."""
    shown = url.set(password=None, query={}).render_as_string()
    return foreign_text(shown, secrets=_secrets(url))


def _secrets(url: URL) -> list[str]:
    queries = (v for values in url.normalized_query.values() for v in values)
    return [str(url.password or ""), *queries]


_FIX = "Name a file, or postgresql://user:password@host/database."
