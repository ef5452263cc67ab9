"""The store on SQLite, and on a real PostgreSQL where there is one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store
from tests.postgres import empty_database


@pytest.fixture(params=["sqlite", "postgres"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty state may be made, in the words of ``--state``."""
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    return empty_database(request.getfixturevalue("postgres"))


Opened = Callable[[], Store]


@pytest.fixture
def opened(state: str, tmp_path: Path) -> Iterator[Opened]:
    """Opens the same state each time, as another process would."""
    stores = []

    def open_again() -> Store:
        stores.append(Store.open(state, KeyRing(path=tmp_path / "state.key")))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Opened) -> Store:
    return opened()
