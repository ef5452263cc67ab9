"""Faults to inject: processes that stop without ending."""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import sqlalchemy

from lite_gateway.store.engine import database_url


@contextlib.contextmanager
def stopped(pids: Iterable[int]) -> Iterator[None]:
    """Stop processes (SIGSTOP) within the block: their sockets stay open and silent."""
    pids = list(pids)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def process_tree(pid: int) -> list[int]:
    """Return a process and its descendants, parents first."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The command name, in brackets, may contain spaces: split behind it.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    tree = [pid]
    for member in tree:
        tree += parents.get(member, [])
    return tree


def postgres_processes(url: str) -> list[int]:
    """Return the processes of the PostgreSQL server at ``url``, on this host."""
    engine = sqlalchemy.create_engine(database_url(url))
    with engine.connect() as connection:
        folder = connection.exec_driver_sql("show data_directory").scalar()
    engine.dispose()
    pid = int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])
    return process_tree(pid)
