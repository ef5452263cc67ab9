"""Migrations, up and down, on both databases."""

import threading

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from lite_gateway.errors import ConfigError
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import (
    VERSIONS,
    Store,
    database_url,
    migrate,
    newest_revision,
)
from lite_gateway.store.migrating import run_alembic
from lite_gateway.store.models import PREFIX, Table


def tables(engine: sqlalchemy.Engine) -> set[str]:
    return set(sqlalchemy.inspect(engine).get_table_names())


@pytest.fixture
def engine(location):
    engine = sqlalchemy.create_engine(database_url(location))
    yield engine
    engine.dispose()


def test_migrations_create_the_tables_of_the_models(engine):
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


def test_the_newest_revision_is_the_one_that_alembic_migrates_to(engine):
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSIONS}
        )
        assert context.get_current_heads() == (newest_revision(),)


def test_every_migration_can_be_undone_and_repeated(engine):
    migrate(engine)
    before = tables(engine)
    with engine.begin() as connection:
        run_alembic(connection, lambda config: command.downgrade(config, "base"))
    assert tables(engine) == {f"{PREFIX}version"}
    migrate(engine)
    assert tables(engine) == before


def test_migrations_do_not_touch_tables_of_other_programs(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("create table sessions (id integer)")
    migrate(engine)
    with engine.begin() as connection:
        run_alembic(connection, lambda config: command.downgrade(config, "base"))
    assert "sessions" in tables(engine)


def test_gateways_that_start_at_the_same_time_migrate_once(location, tmp_path):
    KeyRing(path=tmp_path / "key").create_file()
    errors = []

    def start() -> None:
        try:
            Store.open(location, KeyRing(path=tmp_path / "key")).close()
        except Exception as error:
            errors.append(error)

    gateways = [threading.Thread(target=start) for _ in range(6)]
    for gateway in gateways:
        gateway.start()
    for gateway in gateways:
        gateway.join()
    assert errors == []


def test_a_database_of_a_newer_version_is_refused(engine, location):
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"update {PREFIX}version set version_num = '9999'")
    with pytest.raises(ConfigError, match="unknown version"):
        Store.open(location, KeyRing("Pw2IfTOYqyh1VZ3fTqYOXcB_OEkxOvhX6zl0l0wOtpM="))


@pytest.mark.parametrize(
    ("bad_location", "words"),
    [
        ("mysql://root:hush@db/x", "postgresql://"),
        ("postgresql://lite:hush@127.0.0.1:9/x", "cannot be used"),
        ("/proc/nowhere/state.db", "cannot be written"),
        ("://", "Name a file"),
    ],
)
def test_the_error_of_a_bad_database_url_says_why_without_the_password(
    bad_location, words
):
    with pytest.raises(ConfigError) as raised:
        Store.open(
            bad_location, KeyRing("Pw2IfTOYqyh1VZ3fTqYOXcB_OEkxOvhX6zl0l0wOtpM=")
        )
    assert words in str(raised.value)
    assert "hush" not in str(raised.value)
