"""Who may call and how often; and what a session makes of who is in its room."""

import asyncio
import sqlite3
import time
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.auth.api_keys import ApiKeys, Scope, TokenBucket
from lite_gateway.config import Config
from lite_gateway.errors import ConfigError, StoreUnavailable
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.store import history, keys
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store
from lite_gateway.store.models import SessionRow, now
from tests.waiting import PATIENCE_S, best_of, figures


@pytest.fixture
def store(tmp_path):
    opened = Store.open(str(tmp_path / "state.db"), KeyRing(path=tmp_path / "key"))
    yield opened
    opened.close()


# How often.

unhurried = settings(max_examples=60, deadline=None)
steps = st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=60)


@unhurried
@given(st.integers(1, 600), steps)
def test_no_stretch_of_time_sees_more_than_its_share_and_a_minutes_worth(rate, steps):
    bucket, now_s, served = TokenBucket(rate, 0.0), 0.0, []
    for step_s in steps:
        now_s += step_s
        while bucket.acquire(now_s) == 0.0:
            served.append(now_s)
            assert len(served) < 20_000
        for since_s in served[:1] + served[-rate:][:1]:
            seen = sum(at >= since_s for at in served)
            assert seen <= rate + (now_s - since_s) * rate / 60 + 1e-6


@unhurried
@given(st.integers(1, 600), steps)
def test_who_comes_back_when_told_is_served(rate, steps):
    bucket, now_s = TokenBucket(rate, 0.0), 0.0
    for step_s in steps:
        now_s += step_s
        if wait_s := bucket.acquire(now_s):
            assert wait_s <= 60 / rate + 1e-6
            now_s += wait_s + 1e-6
            assert bucket.acquire(now_s) == 0.0


# Who.


def test_keys_of_environment_file_and_database_are_told_apart(store, tmp_path):
    file = tmp_path / "keys"
    file.write_text("# a comment\nfrom-file robot mint\n\n  from-file-too\n")
    config = Config(api_keys="one, two", api_keys_file=str(file), key_rate=7)
    _, made = store.run_sync(lambda db: keys.create(db, "stored", ["admin"], rate=3))
    callers = ApiKeys(config, store)

    async def main() -> list:
        texts = ("one", "two", "from-file", "from-file-too", made, "three", "", "lg_")
        return [await callers.authenticate(text) for text in texts]

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
def test_a_line_of_a_key_file_that_is_wrong_is_named_without_its_key(
    store, tmp_path, line, words
):
    file = tmp_path / "keys"
    file.write_text(f"good\n{line.replace('key', 'hush-hush')}\n")
    with pytest.raises(ConfigError, match="line 2") as wrong:
        ApiKeys(Config(api_keys_file=str(file)), store)
    assert words in str(wrong.value)
    assert "hush" not in str(wrong.value)


# The books.


def past(session_id: str) -> SessionRow:
    return SessionRow(
        id=session_id,
        key_id="k",
        avatar="ada",
        sandbox=False,
        own_room=False,
        created_at=now(),
    )


@pytest.mark.slow
@best_of(3)
def test_speech_does_not_wait_for_a_database_that_is_away(store, tmp_path):
    """Another process holds the file; what happened meanwhile is written later."""
    session_id = str(uuid.uuid4())

    async def row() -> SessionRow:
        return await store.run(lambda db: history.find(db, session_id))

    async def nothing(_: str) -> None: ...

    async def main() -> float:
        recorder = HistoryRecorder(store, delete_room=nothing, history_days=90)
        await recorder.open()
        await recorder.create(past(session_id))
        async with asyncio.TaskGroup() as group:
            books = group.create_task(recorder.run())
            await asyncio.sleep(0.5)
            other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            began_s = time.monotonic()
            await recorder.record_start(session_id, now())
            await recorder.record_end(session_id, now(), "USER_CLOSED", "over")
            waited_s = time.monotonic() - began_s
            with pytest.raises(StoreUnavailable):
                await recorder.create(past("other"))
            other.execute("ROLLBACK")
            other.close()
            async with asyncio.timeout(PATIENCE_S):
                while (await row()).end_reason is None:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.1)
            books.cancel()
        await recorder.close()
        return waited_s

    waited_s = asyncio.run(main())
    written = store.run_sync(lambda db: history.find(db, session_id))
    assert written.end_reason == "USER_CLOSED"
    assert written.started_at is not None
    with figures():
        assert waited_s < 3
