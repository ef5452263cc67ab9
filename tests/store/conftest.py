"""Fixtures: the store on SQLite, and on a real PostgreSQL if one is installed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.probe.postgres import empty_database
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the location of an empty database, as ``--database`` takes it."""
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    return empty_database(request.getfixturevalue("postgres"))


OpenStore = Callable[[], Store]


@pytest.fixture
def open_store(location: str, tmp_path: Path) -> Iterator[OpenStore]:
    """Return a function that opens the same database again, as a second process."""
    stores = []

    def open_database() -> Store:
        stores.append(Store.open(location, KeyRing(path=tmp_path / "state.key")))
        return stores[-1]

    yield open_database
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    return open_store()
