"""A PostgreSQL of our own, from Debian's package, for as long as a test lasts."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy

from bench.probe.stack import free_port
from lite_gateway.store.engine import database_url

UP_S = 120.0
_numbers = itertools.count(1)
UNPRIVILEGED = "postgres"  # made by the package; the server refuses to run as root


@contextlib.contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """The url of an empty database; only the loopback reaches it."""
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="lite-postgres-"))
    if user:
        shutil.chown(folder, user)
    try:
        init = [programs / "initdb", "-D", folder / "data", "-U", "lite", "-A", "trust"]
        subprocess.run(
            [*init, "-N"], check=True, capture_output=True, user=user, cwd=folder
        )
        with _server(programs, folder, user) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _server(programs: Path, folder: Path, user: str | None) -> Iterator[str]:
    port = free_port()
    command = [
        *(programs / "postgres", "-D", folder / "data", "-p", str(port), "-F"),
        *("-c", "listen_addresses=127.0.0.1", "-k", folder),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, user=user, cwd=folder
        )
    try:
        asked = ["-h", "127.0.0.1", "-p", str(port), "-U", "lite"]
        deadline_s = time.monotonic() + UP_S
        while subprocess.run(
            [programs / "pg_isready", *asked], capture_output=True
        ).returncode:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline_s, (folder / "log").read_text()
            time.sleep(0.05)
        yield f"postgresql://lite@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # "fast": clients are cut off
        process.wait(UP_S)


def empty_database(server: str) -> str:
    """The url of a new one beside that of ``server``."""
    name = f"lite{next(_numbers)}"
    engine = sqlalchemy.create_engine(
        database_url(server), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    engine.dispose()
    return f"{server.rpartition('/')[0]}/{name}"
