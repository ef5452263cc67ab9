"""PostgreSQL server of a run, from the programs of Debian's package."""

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

TIMEOUT_S = 120.0  # to start or to stop
_numbers = itertools.count(1)
UNPRIVILEGED = "postgres"  # user of the package, as the server refuses to run as root


@contextlib.contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """Run a server on loopback; yield the URL of an empty database."""
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="lite-postgres-"))
    if user:
        shutil.chown(folder, user)
    try:
        data = str(folder / "data")
        init = [str(programs / "initdb"), "-D", data, "-U", "lite", "-A", "trust"]
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
        *(str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port)),
        *("-F", "-c", "listen_addresses=127.0.0.1", "-k", str(folder)),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, user=user, cwd=folder
        )
    try:
        address = ["-h", "127.0.0.1", "-p", str(port), "-U", "lite"]
        deadline_s = time.monotonic() + TIMEOUT_S
        while subprocess.run(
            [programs / "pg_isready", *address], capture_output=True
        ).returncode:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline_s, (folder / "log").read_text()
            time.sleep(0.05)
        yield f"postgresql://lite@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown: disconnects the clients
        process.wait(TIMEOUT_S)


def empty_database(server: str) -> str:
    """Create a database on the server of a URL and return its URL."""
    name = f"lite{next(_numbers)}"
    engine = sqlalchemy.create_engine(
        database_url(server), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    engine.dispose()
    return f"{server.rpartition('/')[0]}/{name}"
