"""Databases that are locked, stopped or odd: every call ends within its deadline."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import select, text

from bench.probe.faults import postgres_processes, stopped
from bench.probe.postgres import empty_database
from lite_gateway.errors import (
    ConfigError,
    GatewayError,
    StoreRejected,
    StoreUnavailable,
)
from lite_gateway.store import engine as module
from lite_gateway.store import history
from lite_gateway.store import sqlite as sqlite_module
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import DEADLINE_S, Store, database_url
from lite_gateway.store.models import ContextRow, SessionRow, now
from tests.store.test_store import session
from tests.waiting import PATIENCE_S, until_async

GENEROUS_S = 3 * DEADLINE_S


def ping(db) -> int:
    return db.scalar(select(1))


def write(db) -> None:
    db.add(ContextRow(name="n", prompt="p", links=[]))


async def outcome(call) -> tuple[object, float]:
    """Return the result or the gateway's own error of a call, and how long it took."""
    started_s = time.monotonic()
    try:
        result = await call
    except GatewayError as error:
        result = type(error)
    return result, time.monotonic() - started_s


async def all_outcomes(calls) -> list[tuple[object, float]]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome(call)) for call in calls]
    return [task.result() for task in tasks]


@contextlib.contextmanager
def locked(path: Path):
    """Hold the write lock of a SQLite file, as another process does."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.fixture
def sqlite(tmp_path):
    store = Store.open(str(tmp_path / "state.db"), KeyRing(path=tmp_path / "key"))
    yield store
    store.close()


@pytest.fixture
def no_deadline(monkeypatch):
    """Let each call wait for as long as a test does."""
    monkeypatch.setattr(module, "DEADLINE_S", PATIENCE_S)


class Held:
    """Transaction that lasts until the test releases it, as often as it is begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.release = threading.Event()

    def __call__(self, _) -> bool:
        self.begun += 1
        return self.release.wait(PATIENCE_S)


@pytest.mark.usefixtures("no_deadline")
def test_reads_do_not_wait_for_a_locked_sqlite_file(sqlite, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_module, "_BUSY_S", PATIENCE_S)
    begun = threading.Event()

    def begin(db) -> None:
        begun.set()
        write(db)

    async def main():
        async with asyncio.TaskGroup() as group:
            with locked(tmp_path / "state.db"):
                writing = group.create_task(sqlite.run(begin))
                await until_async(begun.is_set)
                reads = await all_outcomes(sqlite.read(ping) for _ in range(20))
                assert not writing.done()
        return reads

    reads = asyncio.run(main())
    assert [result for result, _ in reads] == [1] * 20
    assert len(sqlite.run_sync(lambda db: db.scalars(select(ContextRow)).all())) == 1


def test_a_write_to_a_locked_sqlite_file_gives_up(sqlite, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_module, "_BUSY_S", 0.05)
    with locked(tmp_path / "state.db"):
        assert asyncio.run(outcome(sqlite.run(write)))[0] == StoreUnavailable


def test_a_call_in_line_gives_up_at_its_own_deadline(sqlite, monkeypatch):
    held = Held()

    async def main():
        monkeypatch.setattr(module, "DEADLINE_S", PATIENCE_S)
        async with asyncio.TaskGroup() as group:
            group.create_task(sqlite.run(held))
            await until_async(lambda: held.begun)
            monkeypatch.setattr(module, "DEADLINE_S", 0.3)
            outcomes = await all_outcomes(sqlite.run(write) for _ in "ab")
            held.release.set()
        monkeypatch.setattr(module, "DEADLINE_S", PATIENCE_S)
        later = await outcome(sqlite.run(ping))
        return outcomes, later

    outcomes, later = asyncio.run(main())
    assert [result for result, _ in outcomes] == [StoreUnavailable] * 2
    assert later[0] == 1
    # Nothing was written for callers that had gone.
    assert sqlite.run_sync(lambda db: db.scalars(select(ContextRow)).all()) == []


def test_the_result_of_a_late_transaction_is_rolled_back(sqlite, monkeypatch):
    monkeypatch.setattr(module, "DEADLINE_S", 0.2)
    release, over = threading.Event(), threading.Event()

    def slow(db) -> None:
        write(db)
        db.flush()
        release.wait(10)

    async def main():
        with pytest.raises(StoreUnavailable, match="did not answer"):
            await sqlite.run(slow)
        release.set()
        monkeypatch.setattr(module, "DEADLINE_S", PATIENCE_S)
        await sqlite.run(lambda db: over.set())

    asyncio.run(main())
    assert over.is_set()
    assert sqlite.run_sync(lambda db: db.scalars(select(ContextRow)).all()) == []


@pytest.mark.usefixtures("no_deadline")
def test_calls_beyond_the_bound_are_refused_at_once(sqlite):
    held = Held()
    count = module._MAX_WAITING + 10

    async def main():
        async with asyncio.TaskGroup() as group:
            holding = group.create_task(sqlite.run(held))
            await until_async(lambda: held.begun)
            tasks = [group.create_task(outcome(sqlite.run(ping))) for _ in range(count)]
            await until_async(lambda: sum(task.done() for task in tasks) >= 10)
            refused = [task.result() for task in tasks if task.done()]
            held.release.set()
        assert holding.result()
        return refused, [task.result()[0] for task in tasks]

    refused, results = asyncio.run(main())
    assert [result for result, _ in refused] == [StoreUnavailable] * 10
    assert results.count(1) == module._MAX_WAITING


@pytest.mark.usefixtures("no_deadline")
def test_a_flood_without_a_key_delays_no_call_with_one(sqlite):
    held = Held()

    async def main():
        async with asyncio.TaskGroup() as group:
            flood = [
                group.create_task(outcome(sqlite.read_public(held)))
                for _ in range(2 * module._MAX_WAITING)
            ]
            await until_async(lambda: held.begun)
            calls = await all_outcomes([sqlite.read(ping), sqlite.run(ping)])
            held.release.set()
        return calls, [task.result()[0] for task in flood]

    calls, flood = asyncio.run(main())
    assert [result for result, _ in calls] == [1, 1]
    assert module._MAX_WAITING <= flood.count(True) < len(flood)


def test_a_read_cannot_write(store):
    with pytest.raises(GatewayError):
        asyncio.run(store.read(write))
    assert store.run_sync(lambda db: db.scalars(select(ContextRow)).all()) == []
    asyncio.run(store.run(write))
    assert len(asyncio.run(store.read(lambda db: db.scalars(select(ContextRow)).all())))


@pytest.mark.parametrize(
    "bad", ["\ud800", 10**30, object()], ids=["text", "number", "object"]
)
def test_values_that_no_column_holds_are_rejected_by_the_store(store, bad):
    def add(db) -> None:
        db.execute(text("insert into lite_contexts (id) values (:bad)"), {"bad": bad})

    with pytest.raises(StoreRejected):
        asyncio.run(store.run(add))


def test_a_full_disk_is_an_error_that_passes(sqlite):
    def limit(pages: int) -> None:
        pragma = text(f"pragma max_page_count = {pages}")
        sqlite.run_sync(lambda db: db.execute(pragma))

    def write_much(db) -> None:
        db.add(ContextRow(name="n", prompt="p" * 500_000, links=[]))

    limit(1)  # SQLite takes the present size instead
    with pytest.raises(StoreUnavailable):
        sqlite.run_sync(write_much)
    assert asyncio.run(sqlite.read(ping)) == 1
    limit(1_000_000)
    sqlite.run_sync(write_much)


def test_rows_that_contradict_others_are_rejected_as_conflict(store):
    row = {"id": "c", "name": "n", "prompt": "p", "links": []}
    store.run_sync(lambda db: db.add(ContextRow(**row)))
    with pytest.raises(StoreRejected) as rejected:
        store.run_sync(lambda db: db.add(ContextRow(**row)))
    assert rejected.value.reason == "conflict"


def test_an_end_text_with_any_character_is_stored(store):
    store.run_sync(lambda db: session(db, "i", started=True, id="s"))
    odd = "403: \x00 \ud800 \x1b[31m \U0001f600"
    store.run_sync(lambda db: history.set_ended(db, "s", now(), "SERVER_ERROR", odd))
    stored = store.run_sync(lambda db: db.get(SessionRow, "s").end_text)
    assert stored == "403: \ufffd ? \x1b[31m \U0001f600"


HELD = """
import asyncio, sys, threading
from lite_gateway.errors import StoreUnavailable
from lite_gateway.store import engine
from lite_gateway.store.encryption import KeyRing
from pathlib import Path

async def main():
    key_ring = KeyRing(path=Path(sys.argv[1] + "/key"))
    engine.DEADLINE_S = 0.5
    store = engine.Store.open(sys.argv[1] + "/state.db", key_ring)
    try:
        await store.run(lambda db: threading.Event().wait())
    except StoreUnavailable:
        await store.aclose()
        print("closed")

asyncio.run(main())
"""


@pytest.mark.process
def test_a_thread_that_hangs_keeps_no_process_from_ending(tmp_path):
    command = [sys.executable, "-c", HELD, str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "closed\n"


# PostgreSQL.


@pytest.fixture
def postgres_store(postgres, tmp_path):
    store = Store.open(empty_database(postgres), KeyRing(path=tmp_path / "key"))
    yield store
    store.close()


@pytest.mark.postgres
def test_calls_to_a_stopped_postgres_end_and_work_again_when_it_goes_on(
    postgres, postgres_store, monkeypatch
):
    """More calls than threads, twice: none waits in line for longer than its own."""
    store = postgres_store

    async def main():
        await all_outcomes(store.run(ping) for _ in range(4))  # open connections
        stopped_outcomes = []
        with stopped(postgres_processes(postgres)), monkeypatch.context() as patch:
            patch.setattr(module, "DEADLINE_S", 2.5)
            for _ in "ab":
                calls = [*(store.run(write) for _ in range(6)), store.read(ping)]
                stopped_outcomes += await all_outcomes(calls)
        again = await all_outcomes([store.run(write), store.read(ping)])
        return stopped_outcomes, again

    outcomes, again = asyncio.run(main())
    assert {result for result, _ in outcomes} == {StoreUnavailable}
    assert max(took_s for _, took_s in outcomes) < GENEROUS_S
    assert [result for result, _ in again] == [None, 1]
    rows = store.run_sync(lambda db: db.scalars(select(ContextRow)).all())
    assert len(rows) == 1


@pytest.mark.postgres
def test_a_store_on_a_stopped_postgres_closes(postgres, tmp_path):
    store = Store.open(empty_database(postgres), KeyRing(path=tmp_path / "key"))

    async def main() -> float:
        await store.run(ping)
        async with asyncio.TaskGroup() as group:
            with stopped(postgres_processes(postgres)):
                group.create_task(outcome(store.run(write)))
                await asyncio.sleep(0.2)
                started_s = time.monotonic()
                await store.aclose()
                return time.monotonic() - started_s

    assert asyncio.run(main()) < GENEROUS_S


@pytest.mark.postgres
def test_the_server_ends_statements_and_waits_for_locks_itself(postgres_store):
    def wait(db) -> None:
        db.execute(text("select pg_sleep(60)"))

    limits = (
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
    )
    for name in limits:
        value = postgres_store.run_sync(
            lambda db, name=name: db.scalar(text(f"show {name}"))
        )
        assert value != "0", name
    with pytest.raises(StoreUnavailable):
        postgres_store.run_sync(wait)
    assert postgres_store.run_sync(ping) == 1


@pytest.mark.postgres
def test_a_database_that_cannot_store_all_text_is_refused_at_start(postgres, tmp_path):
    admin = sqlalchemy.create_engine(
        database_url(postgres), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(
            "create database plain encoding 'SQL_ASCII' template template0 "
            "lc_collate 'C' lc_ctype 'C'"
        )
    admin.dispose()
    url = f"{postgres.rpartition('/')[0]}/plain"
    with pytest.raises(ConfigError, match=r"SQL_ASCII.*createdb --encoding UTF8"):
        Store.open(url, KeyRing(path=tmp_path / "key"))
