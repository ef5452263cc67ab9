"""The tables, from nothing to now and back, on both databases."""

import threading

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from lite_gateway.errors import ConfigError
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store, database_url, migrate, run_alembic
from lite_gateway.store.models import PREFIX, Table


def tables(engine: sqlalchemy.Engine) -> set[str]:
    return set(sqlalchemy.inspect(engine).get_table_names())


@pytest.fixture
def engine(state):
    engine = sqlalchemy.create_engine(database_url(state))
    yield engine
    engine.dispose()


def test_migrations_make_what_the_models_say(engine):
    migrate(engine)
    with engine.connect() as connection:
        options = {
            "version_table": f"{PREFIX}version",
            "compare_type": True,
            "include_object": lambda _, name, kind, *__: (
                kind != "table" or name.startswith(PREFIX)
            ),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Table.metadata) == []


def test_every_migration_goes_back_and_forth(engine):
    migrate(engine)
    there = tables(engine)
    with engine.begin() as connection:
        run_alembic(connection, lambda config: command.downgrade(config, "base"))
    assert tables(engine) == {f"{PREFIX}version"}
    migrate(engine)
    assert tables(engine) == there


def test_a_neighbours_tables_are_left_alone(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("create table sessions (id integer)")
    migrate(engine)
    with engine.begin() as connection:
        run_alembic(connection, lambda config: command.downgrade(config, "base"))
    assert "sessions" in tables(engine)


def test_many_gateways_that_start_at_once_migrate_once(state, tmp_path):
    KeyRing(path=tmp_path / "key").create_file()
    failed = []

    def start() -> None:
        try:
            Store.open(state, KeyRing(path=tmp_path / "key")).close()
        except Exception as wrong:
            failed.append(wrong)

    gateways = [threading.Thread(target=start) for _ in range(6)]
    for gateway in gateways:
        gateway.start()
    for gateway in gateways:
        gateway.join()
    assert failed == []


def test_a_state_of_a_newer_version_is_refused_and_left_as_it_is(engine, state):
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"update {PREFIX}version set version_num = '9999'")
    with pytest.raises(ConfigError, match="unknown version"):
        Store.open(state, KeyRing("Pw2IfTOYqyh1VZ3fTqYOXcB_OEkxOvhX6zl0l0wOtpM="))


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("mysql://root:hush@db/x", "postgresql://"),
        ("postgresql://lite:hush@127.0.0.1:9/x", "cannot be used"),
        ("/proc/nowhere/state.db", "cannot be written"),
        ("://", "Name a file"),
    ],
)
def test_a_state_that_cannot_be_opened_says_why_without_its_password(where, words):
    with pytest.raises(ConfigError) as wrong:
        Store.open(where, KeyRing("Pw2IfTOYqyh1VZ3fTqYOXcB_OEkxOvhX6zl0l0wOtpM="))
    assert words in str(wrong.value)
    assert "hush" not in str(wrong.value)
