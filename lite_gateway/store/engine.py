"""The database: opened, brought up to date, and asked from a thread of its own."""

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

_POLL_S = 0.02
_BUSY_S = 5.0  # another process may be writing
_MIGRATIONS = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = 0x117E6A7E  # of PostgreSQL's advisory locks: who migrates
_POSTGRES_THREADS = 4


class Store:
    """
    One transaction a call: committed when ``work`` returns, undone when it raises.

    The event loop never waits for the database: `run` goes through a thread.
    """

    def __init__(self, engine: Engine, key_ring: KeyRing) -> None:
        self.key_ring = key_ring
        self._engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        lite = engine.dialect.name == "sqlite"
        self._threads = pool(1 if lite else _POSTGRES_THREADS, "store")

    @classmethod
    def open(cls, where: str, key_ring: KeyRing) -> Self:
        """``where`` is a file or a database url; tables are made or brought up."""
        url = database_url(where)
        if url.drivername.startswith("sqlite"):
            _make_file(url)
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
        """In this thread: for commands, and before the event loop runs."""
        try:
            with self._sessions.begin() as db:
                return work(db)
        except DBAPIError as failed:
            log.warning("the database refused, kind=%s", type(failed).__name__)
            raise StoreUnavailable(
                "the server's database cannot be used at the moment "
                f"({type(failed).__name__}); try again"
            ) from failed

    async def run(self, work: Callable[[Db], Result]) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.run_sync, work)

    async def aclose(self) -> None:
        """What was begun is finished."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self._engine.dispose()


def database_url(where: str) -> URL:
    """A file's path is one too. PostgreSQL is asked through psycopg."""
    if "://" not in where:
        return URL.create("sqlite", database=str(Path(where).expanduser()))
    try:
        url = make_url(where)
    except ArgumentError:
        raise ConfigError("LITE_DATABASE", "the URL is not valid", _FIX) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        problem = f"{url.drivername} databases are not supported"
        raise ConfigError("LITE_DATABASE", problem, _FIX)
    return url


def _make_file(url: URL) -> None:
    """Private from the start: it holds the digests of keys."""
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise ConfigError("LITE_DATABASE", "it names no file", _FIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as failed:
        raise ConfigError(
            "LITE_DATABASE",
            f"{path} cannot be written ({failed.strerror})",
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
    connection.isolation_level = None  # SQLAlchemy begins, not the driver
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")  # a promise outlives the power
    connection.execute("PRAGMA foreign_keys = ON")


def _switch_to_wal(connection: Any) -> None:
    """Once for a file. SQLite does not wait when another process is at it too."""
    deadline_s = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_POLL_S)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    """A reader that comes to write would be refused at once; so take turns instead."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(engine: Engine, to: str = "head") -> None:
    """Up to ``to``, one process at a time."""
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                lock = sqlalchemy.func.pg_advisory_xact_lock(_ONE_AT_A_TIME)
                connection.execute(sqlalchemy.select(lock))
            alembic(connection, lambda plan: command.upgrade(plan, to))
    except CommandError as wrong:
        raise ConfigError(
            "LITE_DATABASE",
            f"{engine.url.render_as_string()} has an unknown version ({wrong})",
            "Run a newer lite-gateway, or name another database.",
        ) from None
    except SQLAlchemyError as failed:
        why = str(getattr(failed, "orig", None) or failed).strip().splitlines()[0]
        raise ConfigError(
            "LITE_DATABASE",
            f"{engine.url.render_as_string()} cannot be used ({why})",
            "Start the database, or correct the URL.",
        ) from None


_alone = threading.Lock()  # Alembic keeps its context in a global


def alembic(connection: Connection, wanted: Callable[[Alembic], None]) -> None:
    """One of Alembic's commands on ``connection``."""
    plan = Alembic()
    plan.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    plan.attributes["connection"] = connection
    with _alone:
        wanted(plan)


_FIX = "Name a file, or postgresql://user:password@host/database."
