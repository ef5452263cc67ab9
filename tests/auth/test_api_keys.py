"""API keys: authentication, scopes and rate limit."""

import asyncio

import pytest

from lite_gateway.auth.api_keys import ApiKeys, Scope
from lite_gateway.config import Config
from lite_gateway.errors import ConfigError
from lite_gateway.store import keys
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store


@pytest.fixture
def store(tmp_path):
    store = Store.open(str(tmp_path / "state.db"), KeyRing(path=tmp_path / "key"))
    yield store
    store.close()


# Authentication.


def test_keys_of_environment_file_and_database_are_authenticated(store, tmp_path):
    file = tmp_path / "keys"
    file.write_text("# a comment\nfrom-file robot mint\n\n  from-file-too\n")
    config = Config(api_keys="one, two", api_keys_file=str(file), key_rate=7)
    _, stored_key = store.run_sync(
        lambda db: keys.create(db, "stored", ["admin"], rate=3)
    )
    api_keys = ApiKeys(config, store)

    async def main() -> list:
        sent = (
            "one",
            "two",
            "from-file",
            "from-file-too",
            stored_key,
            "three",
            "",
            "lg_",
        )
        return [await api_keys.authenticate(key) for key in sent]

    one, two, robot, boss, stored, *unknown = asyncio.run(main())
    assert one.id != two.id
    assert one.scopes == boss.scopes == frozenset(Scope)
    assert (robot.name, robot.scopes) == ("robot", frozenset({Scope.MINT}))
    assert (stored.name, stored.scopes) == ("stored", frozenset({Scope.ADMIN}))
    assert (robot.rate_per_minute, stored.rate_per_minute) == (7, 3)
    assert unknown == [None] * 3
    assert robot.can_access(robot.id)
    assert not robot.can_access(one.id)
    assert stored.can_access(one.id)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("key name everything", "mint, admin"),
        ("key name mint too much", "KEY [NAME [SCOPES]]"),
    ],
)
def test_an_invalid_line_of_a_key_file_is_reported_without_the_key(
    store, tmp_path, line, words
):
    file = tmp_path / "keys"
    file.write_text(f"good\n{line.replace('key', 'hush-hush')}\n")
    with pytest.raises(ConfigError, match="line 2") as raised:
        ApiKeys(Config(api_keys_file=str(file)), store)
    assert words in str(raised.value)
    assert "hush" not in str(raised.value)
