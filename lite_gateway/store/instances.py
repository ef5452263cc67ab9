"""Which gateways run, and what to make of the sessions of those that do not."""

import datetime
import os
import platform
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session as Db

from lite_gateway.store.models import InstanceRow, SessionRow, now

HEARTBEAT_S = 15.0
DEAD_AFTER_S = 60.0  # not seen for so long: the host is gone, or the database was
SESSION_LOST = "the gateway that ran this session stopped without a word"
NEVER_STARTED = (
    "the gateway was stopped before this session was started; mint a new one"
)


def register(db: Db) -> str:
    """This run's id."""
    me = InstanceRow(host=platform.node()[:255], process=_process(os.getpid()))
    db.add(me)
    db.flush()
    return me.id


def heartbeat(db: Db, instance_id: str) -> bool:
    """Still here. False: others took us for dead."""
    row = db.get(InstanceRow, instance_id)
    if row is not None:
        row.seen_at = now()
    return row is not None


def reregister(db: Db, instance_id: str) -> None:
    """Back after the database was away for so long that we were buried alive."""
    process = _process(os.getpid())
    db.add(InstanceRow(id=instance_id, host=platform.node()[:255], process=process))
    ours = update(SessionRow).where(
        SessionRow.instance_id == instance_id, SessionRow.end_text == SESSION_LOST
    )
    db.execute(ours.values(ended_at=None, end_reason=None, end_text=None))


def unregister(db: Db, instance_id: str) -> None:
    """A proper end: what was minted and not started ends too."""
    _close(db, instance_id, now())
    if row := db.get(InstanceRow, instance_id):
        db.delete(row)


def close_orphans(db: Db, instance_id: str) -> list[tuple[SessionRow, bool]]:
    """
    End the sessions of every gateway that is dead. Those that had started, and
    whether it is certain: who is only silent may still be at work in its rooms.
    """
    found: list[tuple[SessionRow, bool]] = []
    for row in db.scalars(
        select(InstanceRow).where(InstanceRow.id != instance_id)
    ).all():
        certain = _is_gone(row)
        if certain or _is_silent(row):
            closed = _close(db, row.id, row.seen_at)
            found += [(past, certain) for past in closed]
            db.delete(row)
    return found


def _close(db: Db, instance_id: str, when: datetime.datetime) -> list[SessionRow]:
    """``when``: the last that is known of them."""
    open_ones = select(SessionRow).filter_by(instance_id=instance_id, ended_at=None)
    started = [p for p in db.scalars(open_ones) if p.started_at is not None]
    for past in started:
        assert past.started_at is not None
        past.ended_at = max(when, past.started_at)
        past.end_reason, past.end_text = "SERVER_ERROR", SESSION_LOST
    unstarted = update(SessionRow).where(
        SessionRow.instance_id == instance_id,
        SessionRow.ended_at.is_(None),
        SessionRow.started_at.is_(None),
    )
    db.execute(
        unstarted.values(ended_at=when, end_reason="UNKNOWN", end_text=NEVER_STARTED)
    )
    return started


def _is_silent(row: InstanceRow) -> bool:
    """The clocks of all gateways are taken to be in step."""
    return row.seen_at < now() - datetime.timedelta(seconds=DEAD_AFTER_S)


def _is_gone(row: InstanceRow) -> bool:
    """A process of this host that is no more."""
    if row.host != platform.node()[:255]:
        return False
    pid = int(row.process.partition(" ")[0])
    return _process(pid) != row.process


def _process(pid: int) -> str:
    """The pid, and what tells it from another that gets the same one later."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return f"{pid} {told[19]} {boot.read_text().strip()}"
    except OSError:
        pass
    try:  # not on Linux, or no such process
        os.kill(pid, 0)
    except ProcessLookupError:
        return f"{pid} gone"
    except PermissionError:
        pass
    return f"{pid}"
