"""The store on SQLite, and on a real PostgreSQL where there is one."""

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from lite_gateway.store.engine import Store, as_url
from lite_gateway.store.sealing import Ring
from tests.postgres import running_postgres

ROOT = Path(__file__).parents[2]
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """``make test`` installs it where it may; in CI a missing one is a failure."""
    found = subprocess.run(
        [ROOT / "tools" / "postgres.sh"], capture_output=True, text=True, check=False
    )
    if found.returncode and os.environ.get("CI") == "true":
        pytest.fail(found.stderr)
    if found.returncode:
        pytest.skip(found.stderr)
    with running_postgres(Path(found.stdout.strip())) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty state may be made, in the words of ``--state``."""
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    server: str = request.getfixturevalue("postgres")
    name = f"lite{next(_numbers)}"
    engine = sqlalchemy.create_engine(as_url(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    engine.dispose()
    return f"{server.rpartition(chr(47))[0]}/{name}"


Opened = Callable[[], Store]


@pytest.fixture
def opened(state: str, tmp_path: Path) -> Iterator[Opened]:
    """Opens the same state each time, as another process would."""
    stores = []

    def open_again() -> Store:
        stores.append(Store.opened(state, Ring(path=tmp_path / "state.key")))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Opened) -> Store:
    return opened()
