"""Session history: one row per session, from its creation on."""

import datetime
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session as Db

from lite_gateway.store.models import SessionRow, now

_UNSTARTED_DAYS = 2  # the token of such a session has expired by then


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Condition on the sessions of a list. None matches every value."""

    active: bool
    key_id: str | None = None
    avatar: str | None = None
    embed_id: str | None = None
    context_id: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        ended = (
            SessionRow.ended_at.is_(None)
            if self.active
            else SessionRow.ended_at.is_not(None)
        )
        started = SessionRow.started_at.is_not(None)
        conditions: list[ColumnElement[bool]] = [started, ended]
        for column, value in (
            (SessionRow.key_id, self.key_id),
            (SessionRow.avatar, self.avatar),
            (SessionRow.embed_id, self.embed_id),
            (SessionRow.context_id, self.context_id),
        ):
            if value is not None:
                conditions.append(column == value)
        return conditions


def find(db: Db, session_id: str) -> SessionRow | None:
    """Return a session. The id comes from a client and may be any text."""
    # PostgreSQL fails on U+0000, both databases on lone surrogates. No id has them.
    valid = session_id.isascii() and session_id.isprintable()
    return db.get(SessionRow, session_id) if valid else None


def list_sessions(
    db: Db, query: HistoryFilter, *, offset: int, limit: int
) -> tuple[int, list[SessionRow]]:
    """Return how many sessions match, and ``limit`` of them, newest first."""
    conditions = query.conditions()
    total = select(func.count()).select_from(SessionRow).where(*conditions)
    newest = (
        select(SessionRow)
        .where(*conditions)
        .order_by(SessionRow.created_at.desc(), SessionRow.id)
    )
    rows = db.scalars(newest.offset(offset).limit(limit))
    return db.scalar(total) or 0, list(rows)


def storable(text: str) -> str:
    """Replace what no database stores: U+0000 and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def set_started(db: Db, session_id: str, time: datetime.datetime) -> None:
    if row := db.get(SessionRow, session_id):
        row.started_at = time


def set_ended(
    db: Db, session_id: str, time: datetime.datetime, reason: str, text: str
) -> None:
    if row := db.get(SessionRow, session_id):
        row.ended_at, row.end_reason = time, reason
        row.end_text = storable(text)


def delete_old(db: Db, days: int) -> None:
    """
    Delete sessions that ended and were created more than ``days`` ago; 0: none.

    Sessions that were never started are deleted in any case after two days.
    """
    unstarted = (
        SessionRow.started_at.is_(None),
        SessionRow.created_at < _before(_UNSTARTED_DAYS),
    )
    db.execute(delete(SessionRow).where(*unstarted))
    if days:
        db.execute(delete(SessionRow).where(*ended_before(days)))


def ended_before(days: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions of sessions that `delete_old` deletes after their end."""
    return SessionRow.ended_at.is_not(None), SessionRow.created_at < _before(days)


def _before(days: int) -> datetime.datetime:
    return now() - datetime.timedelta(days=days)
