"""Gateway heartbeats, and cleanup of sessions whose gateway died."""

import datetime
import os
import platform
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session as Db

from lite_gateway.store.models import InstanceRow, SessionRow, now

HEARTBEAT_S = 15.0
# Without a heartbeat for so long, an instance counts as dead: its host is gone, or it
# could not reach the database.
DEAD_AFTER_S = 60.0
SESSION_LOST = "the gateway that ran this session exited without closing the session"
NEVER_STARTED = (
    "the gateway was stopped before this session was started; create a new one"
)


def register(db: Db) -> str:
    """Insert a row for this run of the gateway and return its id."""
    row = InstanceRow(host=platform.node()[:255], process=_process(os.getpid()))
    db.add(row)
    db.flush()
    return row.id


def heartbeat(db: Db, instance_id: str) -> bool:
    """
    Set the time of the last heartbeat.

    Return False if the row is gone: another gateway took this one for dead.
    """
    row = db.get(InstanceRow, instance_id)
    if row is not None:
        row.seen_at = now()
    return row is not None


def reregister(db: Db, instance_id: str) -> None:
    """
    Insert the row again and reopen the sessions that another gateway closed.

    This happens after the database was unreachable for longer than `DEAD_AFTER_S`.
    """
    process = _process(os.getpid())
    db.add(InstanceRow(id=instance_id, host=platform.node()[:255], process=process))
    closed = update(SessionRow).where(
        SessionRow.instance_id == instance_id, SessionRow.end_text == SESSION_LOST
    )
    db.execute(closed.values(ended_at=None, end_reason=None, end_text=None))


def unregister(db: Db, instance_id: str) -> None:
    """Delete the row at a regular end; sessions that were never started end too."""
    _close_sessions(db, instance_id, now())
    if row := db.get(InstanceRow, instance_id):
        db.delete(row)


def close_orphans(db: Db, instance_id: str) -> list[tuple[SessionRow, bool]]:
    """
    End the sessions of every other gateway that died.

    Return those that had been started, each with a flag: True if the process is
    certainly gone. A gateway that only sends no heartbeat may still be in its rooms.
    """
    orphans: list[tuple[SessionRow, bool]] = []
    others = select(InstanceRow).where(InstanceRow.id != instance_id)
    for instance in db.scalars(others).all():
        certain = _is_gone(instance)
        if certain or _is_silent(instance):
            closed = _close_sessions(db, instance.id, instance.seen_at)
            orphans += [(row, certain) for row in closed]
            db.delete(instance)
    return orphans


def running(db: Db) -> list[str]:
    """
    Return process id and host of each gateway that runs.

    One of another host, or of another container, counts while its heartbeat is recent.
    """
    here = platform.node()[:255]
    return [
        f"pid {instance.process.partition(' ')[0]} on {instance.host}"
        for instance in db.scalars(select(InstanceRow))
        if not (_is_gone(instance) if instance.host == here else _is_silent(instance))
    ]


def _close_sessions(
    db: Db, instance_id: str, time: datetime.datetime
) -> list[SessionRow]:
    """End the open sessions of an instance at ``time``. Return the started ones."""
    query = select(SessionRow).filter_by(instance_id=instance_id, ended_at=None)
    started = [row for row in db.scalars(query) if row.started_at is not None]
    for row in started:
        assert row.started_at is not None
        row.ended_at = max(time, row.started_at)
        row.end_reason, row.end_text = "SERVER_ERROR", SESSION_LOST
    unstarted = update(SessionRow).where(
        SessionRow.instance_id == instance_id,
        SessionRow.ended_at.is_(None),
        SessionRow.started_at.is_(None),
    )
    db.execute(
        unstarted.values(ended_at=time, end_reason="UNKNOWN", end_text=NEVER_STARTED)
    )
    return started


def _is_silent(instance: InstanceRow) -> bool:
    """Tell whether heartbeats stopped. Assumes that the hosts' clocks agree."""
    return instance.seen_at < now() - datetime.timedelta(seconds=DEAD_AFTER_S)


def _is_gone(instance: InstanceRow) -> bool:
    """Tell whether the instance ran on this host and its process has ended."""
    if instance.host != platform.node()[:255]:
        return False
    pid = int(instance.process.partition(" ")[0])
    return _process(pid) != instance.process


def _process(pid: int) -> str:
    """
    Return a text that identifies a process even if its pid is used again.

    On Linux: pid, start time (field 22 of ``/proc/PID/stat``) and boot id.
    """
    boot_id = Path("/proc/sys/kernel/random/boot_id")
    try:
        # The command name, in brackets, may contain spaces: split behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return f"{pid} {fields[19]} {boot_id.read_text().strip()}"
    except OSError:
        pass
    try:  # not Linux, or no such process
        os.kill(pid, 0)
    except ProcessLookupError:
        return f"{pid} gone"
    except PermissionError:
        pass
    return f"{pid}"
