"""Errors of a database, sorted into those that pass and those that never do."""

import logging
from typing import Literal

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)

from lite_gateway.errors import StoreRejected, StoreUnavailable

log = logging.getLogger(__name__)

_Reason = Literal["data", "conflict", "error"]

# Classes of SQLSTATE: "data exception", "integrity constraint violation", "program
# limit exceeded".
_DATA, _INTEGRITY, _LIMIT = "22", "23", "54"


def store_error(error: Exception) -> StoreUnavailable | StoreRejected:
    """
    Return the store's error for an exception of a transaction, and log it.

    The text names the kind only: a driver's message repeats values and addresses.
    """
    kind = type(error).__name__
    reason = _permanent(error)
    if reason is None:
        log.warning("database error, kind=%s", kind)
        return StoreUnavailable(
            f"the server's database does not work at the moment ({kind}); try again"
        )
    if reason == "error":
        log.error("transaction failed, kind=%s", kind, exc_info=error)
        return StoreRejected(
            "error", f"the server could not use its database ({kind}); see its log"
        )
    log.warning("database refused a value, reason=%s, kind=%s", reason, kind)
    if reason == "conflict":
        text = "another entry refers to this one, or changed in the meantime; read both"
        return StoreRejected("conflict", f"{text} again")
    text = "the database cannot store one of the values; use text without U+0000"
    return StoreRejected("data", f"{text} and of normal length")


def _permanent(error: Exception) -> _Reason | None:
    """Return why an error comes again at each try; None if it passes."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    if isinstance(error, IntegrityError) or state[:2] == _INTEGRITY:
        return "conflict"
    if isinstance(error, DataError) or state[:2] in (_DATA, _LIMIT):
        return "data"
    if isinstance(error, ProgrammingError) and not state:  # a type that SQLite refuses
        return "error"
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        return "data"  # SQLAlchemy could not convert a parameter
    if isinstance(error, SQLAlchemyError | OSError | MemoryError):
        return None
    # sqlite3 and psycopg raise these themselves for a text or a number.
    return "data" if isinstance(error, UnicodeError | OverflowError) else "error"
