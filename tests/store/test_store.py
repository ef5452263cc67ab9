"""What the store promises: nothing lost, nothing shown, honest about the dead."""

import asyncio
import datetime
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from lite_gateway.errors import ConfigError, Refused, StoreUnavailable
from lite_gateway.store import history, instances, keys, secrets
from lite_gateway.store.encryption import DecryptionFailed, KeyRing
from lite_gateway.store.models import (
    ContextRow,
    InstanceRow,
    LlmConfigurationRow,
    SessionRow,
    now,
)

slow_fixture = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def session(db, instance: str, *, started: bool, **more) -> SessionRow:
    past = SessionRow(
        id=more.pop("id", os.urandom(18).hex()),
        instance_id=instance,
        key_id="k",
        avatar="ada",
        sandbox=False,
        own_room=False,
        created_at=now(),
        started_at=now() if started else None,
        **more,
    )
    db.add(past)
    return past


def test_what_was_committed_is_there_for_the_next_process(opened):
    first = opened()
    first.run_sync(
        lambda db: db.add(ContextRow(id="c", name="n", prompt="p", links=[]))
    )
    made = first.run_sync(lambda db: keys.create(db, "robot", ["mint"]))[1]
    token = first.run_sync(
        lambda db: secrets.server_secret(db, first.key_ring, "tokens")
    )
    again = opened()
    found = again.run_sync(lambda db: db.get(ContextRow, "c"))
    assert (found.name, found.prompt) == ("n", "p")
    assert again.run_sync(lambda db: keys.find(db, made)).name == "robot"
    assert (
        again.run_sync(lambda db: secrets.server_secret(db, again.key_ring, "tokens"))
        == token
    )


def test_a_transaction_that_fails_leaves_nothing(store):
    def half(db) -> None:
        db.add(ContextRow(id="c", name="n", prompt="p", links=[]))
        db.flush()
        raise Refused(404, "and then this")

    with pytest.raises(Refused):
        store.run_sync(half)
    assert store.run_sync(lambda db: db.get(ContextRow, "c")) is None


def test_times_keep_their_zone(store):
    when = datetime.datetime(
        2026, 1, 2, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=5))
    )
    row = ContextRow(id="c", name="n", prompt="p", links=[], created_at=when)
    store.run_sync(lambda db: db.add(row))
    read = store.run_sync(lambda db: db.get(ContextRow, "c").created_at)
    assert read == when
    assert read.tzinfo is not None


def test_the_event_loop_breathes_while_the_database_works(store):
    """Counted in breaths: how long one takes, a busy machine decides."""

    def slow(db) -> None:
        for _ in range(50):
            db.add(ContextRow(name="n", prompt="p" * 1000, links=[]))
        db.flush()
        time.sleep(0.5)

    async def main() -> int:
        breaths = 0
        async with asyncio.TaskGroup() as group:
            work = group.create_task(store.run(slow))
            while not work.done():
                await asyncio.sleep(0.001)
                breaths += 1
        return breaths

    assert asyncio.run(main()) > 5


# Keys.


@slow_fixture
@given(st.text(max_size=80))
def test_no_text_is_a_key_but_the_one_that_was_made(store, text):
    _, made = store.run_sync(lambda db: keys.create(db, "robot", ["mint"]))
    assert store.run_sync(lambda db: keys.find(db, made)) is not None
    for wrong in (text, f"lg_{text}", made + text.strip() + "x", made[:-1]):
        assert store.run_sync(lambda db, wrong=wrong: keys.find(db, wrong)) is None


def test_a_revoked_key_is_dead_for_every_process_at_once(opened):
    gateway, command = opened(), opened()
    _, made = command.run_sync(lambda db: keys.create(db, "robot", ["mint"]))
    assert gateway.run_sync(lambda db: keys.find(db, made)) is not None
    assert gateway.run_sync(keys.any_active)
    [revoked] = command.run_sync(lambda db: keys.revoke(db, "robot"))
    assert gateway.run_sync(lambda db: keys.find(db, made)) is None
    assert not gateway.run_sync(keys.any_active)
    assert command.run_sync(lambda db: keys.revoke(db, revoked.id)) == []


# Secrets.


@slow_fixture
@given(st.text(min_size=8, max_size=200))
def test_a_secret_comes_back_as_it_went_in_and_lies_there_encrypted(store, value):
    row = store.run_sync(lambda db: secrets.add(db, store.key_ring, "n", "k", value))
    assert store.run_sync(lambda db: secrets.read(db, store.key_ring, row.id)) == value
    assert value.encode() not in row.sealed


def test_neither_secrets_nor_keys_lie_in_the_file(tmp_path):
    from lite_gateway.store.engine import Store

    path = tmp_path / "state.db"
    store = Store.open(str(path), KeyRing(path=tmp_path / "state.key"))
    store.run_sync(
        lambda db: secrets.add(db, store.key_ring, "n", "k", "sk-very-secret")
    )
    _, made = store.run_sync(lambda db: keys.create(db, "robot", ["mint"]))
    token = store.run_sync(
        lambda db: secrets.server_secret(db, store.key_ring, "tokens")
    )
    store.close()
    kept = b"".join(f.read_bytes() for f in tmp_path.iterdir())
    for hidden in ("sk-very-secret", made, made.split("_", 2)[2], token):
        assert hidden.encode() not in kept
    for name in ("state.db", "state.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_rotation_keeps_every_secret_while_a_gateway_runs(opened, tmp_path):
    """Also what the gateway seals between the new key and the sealing anew."""
    path = tmp_path / "state.key"
    gateway, command = opened(), opened()
    first_key = path.read_text()
    one = gateway.run_sync(
        lambda db: secrets.add(db, gateway.key_ring, "1", "k", "one")
    ).id
    for _ in range(3):
        command.key_ring.rotate()
        late = gateway.run_sync(
            lambda db: secrets.add(db, gateway.key_ring, "2", "k", "two")
        ).id
        command.run_sync(lambda db: secrets.reencrypt(db, command.key_ring))
        for secret_id, value in ((one, "one"), (late, "two")):
            assert (
                gateway.run_sync(
                    lambda db, secret_id=secret_id: secrets.read(
                        db, gateway.key_ring, secret_id
                    )
                )
                == value
            )
    kept = path.read_text()
    assert len(kept.split()) == 2
    assert first_key.strip() not in kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_of_the_environment_rotate_by_being_put_first(opened, tmp_path):
    from cryptography.fernet import Fernet

    store = opened()
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    row = store.run_sync(lambda db: secrets.add(db, KeyRing(old), "n", "k", "value"))
    with pytest.raises(ConfigError, match="--reseal"):
        KeyRing(old).rotate()
    store.run_sync(lambda db: db.execute(text("delete from lite_sealed")))
    assert (
        store.run_sync(lambda db: secrets.reencrypt(db, KeyRing(f"{new},{old}"))) == 1
    )
    assert store.run_sync(lambda db: secrets.read(db, KeyRing(new), row.id)) == "value"
    with pytest.raises(DecryptionFailed, match="LITE_STATE_KEY"):
        store.run_sync(lambda db: secrets.read(db, KeyRing(old), row.id))


def test_a_key_file_is_made_where_there_is_no_folder_yet_or_says_why_not(tmp_path):
    path = tmp_path / "new" / "folder" / "state.key"
    KeyRing(path=path).create_file()
    first = path.read_text()
    KeyRing(path=path).create_file()
    assert path.read_text() == first
    with pytest.raises(ConfigError, match="cannot be written"):
        KeyRing(path=Path("/proc/nowhere/state.key")).create_file()


@pytest.mark.parametrize("given", ["short", "Pw2IfTOYqyh1VZ3fTqYOXcB!"])
def test_a_state_key_that_is_none_is_said_without_showing_it(given):
    with pytest.raises(ConfigError, match="LITE_STATE_KEY") as wrong:
        KeyRing(given).check()
    assert given not in str(wrong.value)


def test_a_secret_in_use_is_not_deleted(store):
    row = store.run_sync(lambda db: secrets.add(db, store.key_ring, "n", "k", "v"))
    llm = LlmConfigurationRow(
        id="l", display_name="d", model_name="m", base_url="u", secret_id=row.id
    )
    store.run_sync(lambda db: db.add(llm))
    with pytest.raises(Refused, match="LLM configuration l") as refused:
        store.run_sync(lambda db: secrets.delete(db, row.id))
    assert refused.value.status == 409
    store.run_sync(lambda db: db.delete(db.get(LlmConfigurationRow, "l")))
    assert store.run_sync(lambda db: secrets.delete(db, row.id))
    assert not store.run_sync(lambda db: secrets.delete(db, row.id))


# History and the dead.


def test_sessions_of_a_process_that_died_are_closed_at_the_next_start(opened):
    """The other process really runs, and is really killed."""
    store = opened()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as other:
        gone = store.run_sync(instances.register)
        process = instances._process(other.pid)
        store.run_sync(
            lambda db: setattr(db.get(InstanceRow, gone), "process", process)
        )
        store.run_sync(lambda db: session(db, gone, started=True, id="ran"))
        store.run_sync(lambda db: session(db, gone, started=False, id="minted"))
        me = store.run_sync(instances.register)
        assert store.run_sync(lambda db: instances.close_orphans(db, me)) == []
        other.kill()
    [(lost, certain)] = store.run_sync(lambda db: instances.close_orphans(db, me))
    assert (lost.id, certain) == ("ran", True)
    ran, minted = (
        store.run_sync(lambda db, i=i: db.get(SessionRow, i)) for i in ("ran", "minted")
    )
    assert (ran.end_reason, ran.end_text) == ("SERVER_ERROR", instances.SESSION_LOST)
    assert ran.started_at <= ran.ended_at <= now()
    assert (minted.end_reason, minted.end_text) == (
        "UNKNOWN",
        instances.NEVER_STARTED,
    )
    assert store.run_sync(lambda db: instances.close_orphans(db, me)) == []


def test_a_gateway_elsewhere_is_dead_when_it_is_silent_for_a_minute(store):
    me, other = store.run_sync(instances.register), store.run_sync(instances.register)

    def elsewhere(db, silent_s: float) -> None:
        row = db.get(InstanceRow, other)
        row.host, row.process = "elsewhere", "1"
        row.seen_at = now() - datetime.timedelta(seconds=silent_s)

    store.run_sync(lambda db: session(db, other, started=True, id="s"))
    store.run_sync(lambda db: elsewhere(db, instances.DEAD_AFTER_S - 20))
    assert store.run_sync(lambda db: instances.close_orphans(db, me)) == []
    store.run_sync(lambda db: elsewhere(db, instances.DEAD_AFTER_S + 1))
    [(lost, certain)] = store.run_sync(lambda db: instances.close_orphans(db, me))
    assert (lost.id, certain) == ("s", False)
    assert not store.run_sync(lambda db: instances.heartbeat(db, other))
    store.run_sync(lambda db: instances.reregister(db, other))  # it was the network
    assert store.run_sync(lambda db: db.get(SessionRow, "s").ended_at) is None
    assert store.run_sync(lambda db: instances.heartbeat(db, other))


def test_history_is_forgotten_when_it_is_old_and_never_while_it_runs(store):
    old = now() - datetime.timedelta(days=91)

    def add(db) -> None:
        session(db, "i", started=True, id="runs").created_at = old
        over = session(db, "i", started=True, id="over")
        over.created_at, over.ended_at = old, now()
        session(db, "i", started=False, id="never").created_at = old
        session(db, "i", started=True, id="young").ended_at = now()

    store.run_sync(add)
    store.run_sync(lambda db: history.delete_old(db, 90))
    left = {
        i
        for i in ("runs", "over", "never", "young")
        if store.run_sync(lambda db, i=i: db.get(SessionRow, i))
    }
    assert left == {"runs", "young"}


def test_with_no_limit_only_what_never_ran_is_forgotten(store):
    old = now() - datetime.timedelta(days=1000)

    def add(db) -> None:
        for name, started in (("over", True), ("never", False)):
            past = session(db, "i", started=started, id=name)
            past.created_at, past.ended_at = old, old

    store.run_sync(add)
    store.run_sync(lambda db: history.delete_old(db, 0))
    assert store.run_sync(lambda db: db.get(SessionRow, "over")) is not None
    assert store.run_sync(lambda db: db.get(SessionRow, "never")) is None


def test_a_database_that_is_away_is_said_to_be_so(tmp_path):
    from lite_gateway.store.engine import Store

    store = Store.open(str(tmp_path / "s.db"), KeyRing(path=tmp_path / "key"))
    store.run_sync(lambda db: db.execute(text("drop table lite_contexts")))
    with pytest.raises(StoreUnavailable, match="try again"):
        store.run_sync(lambda db: db.get(ContextRow, "c"))
    store.close()
