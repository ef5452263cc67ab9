"""The sessions that were minted, run and ended."""

import datetime
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session as Db

from lite_gateway.store.models import SessionRow, now

_UNSTARTED_DAYS = 2  # by then its token has expired


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which sessions a list is to show; None is any."""

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
        found: list[ColumnElement[bool]] = [SessionRow.started_at.is_not(None), ended]
        for column, value in (
            (SessionRow.key_id, self.key_id),
            (SessionRow.avatar, self.avatar),
            (SessionRow.embed_id, self.embed_id),
            (SessionRow.context_id, self.context_id),
        ):
            if value is not None:
                found.append(column == value)
        return found


def find(db: Db, session_id: str) -> SessionRow | None:
    """Whatever somebody took for an id."""
    plain = session_id.isascii() and session_id.isprintable()
    return db.get(SessionRow, session_id) if plain else None


def list_sessions(
    db: Db, wanted: HistoryFilter, first: int, most: int
) -> tuple[int, list[SessionRow]]:
    """How many there are, and some of them, newest first."""
    where = wanted.conditions()
    count = db.scalar(select(func.count()).select_from(SessionRow).where(*where)) or 0
    newest = (
        select(SessionRow)
        .where(*where)
        .order_by(SessionRow.created_at.desc(), SessionRow.id)
    )
    return count, list(db.scalars(newest.offset(first).limit(most)))


def set_started(db: Db, session_id: str, when: datetime.datetime) -> None:
    if past := db.get(SessionRow, session_id):
        past.started_at = when


def set_ended(
    db: Db, session_id: str, when: datetime.datetime, reason: str, text: str
) -> None:
    if past := db.get(SessionRow, session_id):
        past.ended_at, past.end_reason, past.end_text = when, reason, text


def delete_old(db: Db, days: int) -> None:
    """What was minted so long ago and does not run; 0: nothing that ever ran."""
    never = (
        SessionRow.started_at.is_(None),
        SessionRow.created_at < _before(_UNSTARTED_DAYS),
    )
    db.execute(delete(SessionRow).where(*never))
    if days:
        ran = SessionRow.ended_at.is_not(None), SessionRow.created_at < _before(days)
        db.execute(delete(SessionRow).where(*ran))


def _before(days: int) -> datetime.datetime:
    return now() - datetime.timedelta(days=days)
