"""API keys: authentication, scopes and rate limit."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.auth.api_keys import ApiKeys, Scope, TokenBucket
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


# Rate limit.

no_deadline = settings(max_examples=60, deadline=None)
steps = st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=60)


@no_deadline
@given(st.integers(1, 600), steps)
def test_no_interval_has_more_requests_than_its_share_plus_one_minutes(rate, steps):
    bucket, now_s, granted_s = TokenBucket(rate, 0.0), 0.0, []
    for step_s in steps:
        now_s += step_s
        while bucket.acquire(now_s) == 0.0:
            granted_s.append(now_s)
            assert len(granted_s) < 20_000
        for since_s in granted_s[:1] + granted_s[-rate:][:1]:
            count = sum(time_s >= since_s for time_s in granted_s)
            assert count <= rate + (now_s - since_s) * rate / 60 + 1e-6


@no_deadline
@given(st.integers(1, 600), steps)
def test_a_request_after_the_returned_wait_is_granted(rate, steps):
    bucket, now_s = TokenBucket(rate, 0.0), 0.0
    for step_s in steps:
        now_s += step_s
        if wait_s := bucket.acquire(now_s):
            assert wait_s <= 60 / rate + 1e-6
            now_s += wait_s + 1e-6
            assert bucket.acquire(now_s) == 0.0


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
