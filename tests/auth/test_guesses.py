"""Guessing of keys: slowed by address, without harm to those who know theirs."""

import asyncio
import contextlib
import sqlite3

import pytest

from lite_gateway.auth.api_keys import ApiKeys
from lite_gateway.auth.guesses import BURST, MAX_ADDRESSES, PER_S, Guesses
from lite_gateway.config import Config
from lite_gateway.errors import Refused
from lite_gateway.store import keys
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import DEADLINE_S, Store

ADDRESS = "198.51.100.7"


def wrong_key(number: int) -> str:
    """Return a key that has the form of one, and does not exist."""
    return f"{keys.PREFIX}_{number:012x}_{'s' * 43}"


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class CountingStore:
    """Store that counts the look-ups of keys that have not been right before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.count = 0

    async def read_public(self, work):
        self.count += 1
        return await self._store.read_public(work)

    def run_sync(self, work):
        return self._store.run_sync(work)


@pytest.fixture
def store(tmp_path):
    store = Store.open(str(tmp_path / "state.db"), KeyRing(path=tmp_path / "key"))
    yield store
    store.close()


def test_wrong_keys_get_429_and_no_look_up_and_may_go_on_later(store):
    clock = FakeClock()
    counting = CountingStore(store)
    api_keys = ApiKeys(Config(api_keys="right"), counting, clock)

    async def main() -> None:
        for number in range(BURST):
            assert await api_keys.authenticate(wrong_key(number), ADDRESS) is None
        assert counting.count == BURST
        for key in (wrong_key(BURST), "next"):
            with pytest.raises(Refused) as refused:
                await api_keys.authenticate(key, ADDRESS)
            assert refused.value.status == 429
            assert 0 < refused.value.retry_s <= 1 / PER_S
        assert counting.count == BURST
        assert await api_keys.authenticate("right", ADDRESS) is not None
        assert await api_keys.authenticate(wrong_key(1), "198.51.100.8") is None
        clock.now_s += 1 / PER_S
        assert await api_keys.authenticate(wrong_key(2), ADDRESS) is None
        with pytest.raises(Refused):
            await api_keys.authenticate(wrong_key(3), ADDRESS)

    asyncio.run(main())


def test_a_key_that_was_right_works_behind_a_proxy_that_others_guess_through(store):
    _, key = store.run_sync(lambda db: keys.create(db, "robot", ["mint"]))
    api_keys = ApiKeys(Config(), store, FakeClock())

    async def main() -> None:
        assert await api_keys.authenticate(key, ADDRESS) is not None
        for _ in range(BURST):
            await api_keys.authenticate("wrong", ADDRESS)
        assert await api_keys.authenticate(key, ADDRESS) is not None
        await store.run(lambda db: keys.revoke(db, "robot"))
        assert await api_keys.authenticate(key, ADDRESS) is None
        with pytest.raises(Refused, match="too many wrong keys"):
            await api_keys.authenticate(key, ADDRESS)

    asyncio.run(main())


def test_keys_are_checked_while_another_process_writes(store, tmp_path):
    _, key = store.run_sync(lambda db: keys.create(db, "robot", ["mint"]))
    api_keys = ApiKeys(Config(), store)

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_S):
            assert await api_keys.authenticate(key, ADDRESS) is not None
            assert await api_keys.authenticate(wrong_key(1), ADDRESS) is None

    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        asyncio.run(main())


def test_the_table_of_addresses_is_bounded():
    guesses = Guesses(FakeClock())
    for _ in range(BURST):
        guesses.failed(ADDRESS)
    for number in range(MAX_ADDRESSES - 1):
        guesses.failed(f"10.0.{number >> 8}.{number & 255}")
    with pytest.raises(Refused):
        guesses.check(ADDRESS)
    guesses.failed("10.1.0.0")
    assert len(guesses) == MAX_ADDRESSES
    guesses.check(ADDRESS)


def test_an_ipv6_network_counts_as_one():
    guesses = Guesses(FakeClock())
    for number in range(BURST):
        guesses.failed(f"2001:db8::{number:x}")
    with pytest.raises(Refused):
        guesses.check("2001:db8::ffff")
