"""Transcripts in the database: what users and avatars said in conversations."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session as Db

from lite_gateway.store import history
from lite_gateway.store.models import SessionRow, TranscriptRow

Role = Literal["user", "avatar"]

_DELETE_AT_ONCE = 5_000  # lines: a transaction has seconds, and others wait for it
_MAX_MS = 1 << 62
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS = datetime.timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """
    Words of one turn; ``at_ms`` is Unix time in milliseconds.

    ``may_be_stored``: an earlier call of `add` may have stored it, and did not return.
    """

    session_id: str
    role: Role
    text: str
    at_ms: int
    may_be_stored: bool = False


def add(db: Db, lines: Iterable[TranscriptLine]) -> None:
    """
    Add lines to their sessions. Those of deleted sessions are left out.

    Lines of a session get times of their own: a line moves by as many milliseconds as
    it needs, so that each page of a transcript begins at a time of one line.
    """
    done: set[tuple[str, int]] = set()  # keys of the rows of these lines
    for line in lines:
        session = db.get(SessionRow, line.session_id)
        if session is None:
            continue
        at_ms, text = line.at_ms, history.storable(line.text)
        while (found := db.get(TranscriptRow, (line.session_id, at_ms))) is not None:
            is_same = (found.role, found.text) == (line.role, text)
            if line.may_be_stored and is_same and (line.session_id, at_ms) not in done:
                break
            at_ms += 1
        done.add((line.session_id, at_ms))
        if found is not None:
            continue
        start_ms = unix_ms(session.started_at or session.created_at)
        row = TranscriptRow(
            session_id=line.session_id,
            absolute_ms=at_ms,
            relative_ms=max(0, at_ms - start_ms),
            role=line.role,
            text=text,
        )
        db.add(row)
        db.flush()


def page(
    db: Db, session_id: str, start_ms: int | None, end_ms: int | None, limit: int
) -> tuple[list[TranscriptRow], int | None]:
    """
    Return up to ``limit`` lines from ``start_ms`` to ``end_ms``, both included.

    The second value is the time of the next line, None if there is none.
    """
    query = select(TranscriptRow).where(TranscriptRow.session_id == session_id)
    if start_ms is not None:
        query = query.where(TranscriptRow.absolute_ms >= _bounded(start_ms))
    if end_ms is not None:
        query = query.where(TranscriptRow.absolute_ms <= _bounded(end_ms))
    query = query.order_by(TranscriptRow.absolute_ms).limit(limit + 1)
    rows = list(db.scalars(query))
    following = rows[limit].absolute_ms if len(rows) > limit else None
    return rows[:limit], following


def delete_session(db: Db, session_id: str) -> None:
    """Delete the lines of a session. The session itself stays."""
    db.execute(delete(TranscriptRow).where(TranscriptRow.session_id == session_id))


def delete_old(db: Db, days: int) -> bool:
    """
    Delete lines of sessions that `history.delete_old` deletes.

    Return whether more of them are left. The database deletes those of a session with
    it too, but then in one transaction, for which they may be too many.
    """
    if not days:
        return False
    keys = tuple_(TranscriptRow.session_id, TranscriptRow.absolute_ms)
    old = (
        select(TranscriptRow.session_id, TranscriptRow.absolute_ms)
        .join(SessionRow, SessionRow.id == TranscriptRow.session_id)
        .where(*history.ended_before(days))
        .limit(_DELETE_AT_ONCE)
    )
    result = db.execute(delete(TranscriptRow).where(keys.in_(old)))
    return int(getattr(result, "rowcount", 0)) == _DELETE_AT_ONCE


def unix_ms(time: datetime.datetime) -> int:
    """Return a time as Unix time in whole milliseconds."""
    return (time - _EPOCH) // _MS


def _bounded(value: int) -> int:
    """Return a number that a column can be compared with."""
    return min(max(value, -_MAX_MS), _MAX_MS)
