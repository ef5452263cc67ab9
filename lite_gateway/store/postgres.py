"""PostgreSQL: connections whose every wait ends, whatever the server does."""

import time
from collections.abc import Generator
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import Engine, event
from sqlalchemy.engine import URL

from lite_gateway.errors import ConfigError
from lite_gateway.store.deadlines import remaining_s

_CONNECT_S = 5
_MIN_CONNECT_S = 2  # psycopg rounds up less
_MAX_WAIT_S = 120.0  # for one answer, where no deadline is set: in commands
_POOL_WAIT_S = 2.0
# The server's own limits: a statement that nobody waits for must not hold its locks.
_SERVER_LIMITS = {
    "statement_timeout": "4500ms",
    "lock_timeout": "3000ms",
    "idle_in_transaction_session_timeout": "10000ms",
}
# A connection to a host that is gone ends after about 25 s.
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class _Connection(psycopg.Connection[Any]):
    """
    Connection that gives up at the deadline of the transaction, and closes.

    A server that is stopped keeps its sockets open, so neither keep-alives nor the
    timeouts of TCP end the wait for its answer.
    """

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        deadline_s = time.monotonic() + remaining_s(_MAX_WAIT_S)
        try:
            return super().wait(_until(deadline_s, gen), *args, **kwargs)
        except _NoAnswer as error:
            self.close()
            raise psycopg.OperationalError(
                "the server did not answer in time"
            ) from error


class _NoAnswer(Exception):
    """Answer of the server that was not there at the deadline."""


def _until(deadline_s: float, steps: Any) -> Generator[Any, Any, Any]:
    """
    Pass on what psycopg yields and sends; raise `_NoAnswer` after ``deadline_s``.

    psycopg sends 0 (nothing is ready) every 0.1 s of waiting.
    """
    try:
        awaited = next(steps)
        while True:
            ready = yield awaited
            if not ready and time.monotonic() > deadline_s:
                raise _NoAnswer
            awaited = steps.send(ready)
    except StopIteration as end:
        return end.value


def postgres_engine(url: URL, connections: int) -> Engine:
    """Return an engine for ``url`` that keeps up to ``connections`` open."""
    engine = sqlalchemy.create_engine(
        url,
        pool_pre_ping=True,
        pool_size=connections,
        pool_timeout=_POOL_WAIT_S,
        # Text arrives as text from a database of any encoding.
        connect_args={**_KEEPALIVE, "client_encoding": "utf8"},
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", _limit_statements)
    return engine


def _connect(_: Any, __: Any, arguments: Any, options: dict[str, Any]) -> Any:
    left_s = remaining_s(_CONNECT_S)
    if not left_s:
        raise psycopg.OperationalError("no time is left to connect")
    timeout_s = max(_MIN_CONNECT_S, round(left_s))
    return _Connection.connect(*arguments, **options, connect_timeout=timeout_s)


def _limit_statements(connection: Any, _: object) -> None:
    """
    Set the server's limits.

    A statement does it, as connection poolers refuse options at connecting.
    """
    connection.autocommit = True
    for name, value in _SERVER_LIMITS.items():
        connection.execute(f"SET {name} = '{value}'")
    connection.autocommit = False


def unlimited(connection: sqlalchemy.Connection) -> None:
    """Lift the server's limits in this transaction: a migration may take longer."""
    for name in _SERVER_LIMITS:
        connection.exec_driver_sql(f"SET LOCAL {name} = 0")


def check_encoding(connection: sqlalchemy.Connection) -> None:
    """Raise `ConfigError` unless the database can store text of any language."""
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise ConfigError(
            "LITE_DATABASE",
            f"the database has the encoding {encoding}, which cannot store all text",
            "Create one with: createdb --encoding UTF8 --template template0 NAME",
        )
