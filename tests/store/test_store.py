"""The store: transactions, API keys, secrets, and the history of sessions."""

import asyncio
import datetime
import errno
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from lite_gateway.errors import ConfigError, Refused, StoreUnavailable
from lite_gateway.store import history, instances, keys, secrets
from lite_gateway.store.encryption import DecryptionFailed, KeyRing
from lite_gateway.store.engine import DEADLINE_S, Store
from lite_gateway.store.models import (
    ContextRow,
    InstanceRow,
    LlmConfigurationRow,
    SessionRow,
    now,
)

no_deadline = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def session(db, instance: str, *, started: bool, **more) -> SessionRow:
    row = SessionRow(
        id=more.pop("id", os.urandom(18).hex()),
        instance_id=instance,
        key_id="k",
        avatar="mira",
        sandbox=False,
        own_room=False,
        created_at=now(),
        started_at=now() if started else None,
        **more,
    )
    db.add(row)
    return row


def test_a_second_process_reads_what_the_first_committed(open_store):
    first = open_store()
    first.run_sync(
        lambda db: db.add(ContextRow(id="c", name="n", prompt="p", links=[]))
    )
    key = first.run_sync(lambda db: keys.create(db, "robot", ["mint"]))[1]
    token = first.run_sync(
        lambda db: secrets.server_secret(db, first.key_ring, "tokens")
    )
    second = open_store()
    row = second.run_sync(lambda db: db.get(ContextRow, "c"))
    assert (row.name, row.prompt) == ("n", "p")
    assert second.run_sync(lambda db: keys.find(db, key)).name == "robot"
    same = second.run_sync(
        lambda db: secrets.server_secret(db, second.key_ring, "tokens")
    )
    assert same == token


def test_a_failed_transaction_is_rolled_back(store):
    def add_then_fail(db) -> None:
        db.add(ContextRow(id="c", name="n", prompt="p", links=[]))
        db.flush()
        raise Refused(404, "an error after the flush")

    with pytest.raises(Refused):
        store.run_sync(add_then_fail)
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


def test_the_event_loop_runs_while_the_database_works(store):
    """The transaction lasts until the loop has gone on."""
    turned = threading.Event()

    def slow(db) -> None:
        for _ in range(50):
            db.add(ContextRow(name="n", prompt="p" * 1000, links=[]))
        db.flush()
        assert turned.wait(DEADLINE_S / 2)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            work = group.create_task(store.run(slow))
            for _ in range(10):
                await asyncio.sleep(0.001)
            assert not work.done()
            turned.set()

    asyncio.run(main())


# Keys.


@no_deadline
@given(st.text(max_size=80))
def test_only_the_exact_text_of_a_key_finds_it(store, text):
    _, key = store.run_sync(lambda db: keys.create(db, "robot", ["mint"]))
    assert store.run_sync(lambda db: keys.find(db, key)) is not None
    for wrong in (text, f"lg_{text}", key + text.strip() + "x", key[:-1]):
        assert store.run_sync(lambda db, wrong=wrong: keys.find(db, wrong)) is None


def test_a_revoked_key_is_refused_by_every_process_at_once(open_store):
    gateway, command = open_store(), open_store()
    _, key = command.run_sync(lambda db: keys.create(db, "robot", ["mint"]))
    assert gateway.run_sync(lambda db: keys.find(db, key)) is not None
    assert gateway.run_sync(keys.any_active)
    [revoked] = command.run_sync(lambda db: keys.revoke(db, "robot"))
    assert gateway.run_sync(lambda db: keys.find(db, key)) is None
    assert not gateway.run_sync(keys.any_active)
    assert command.run_sync(lambda db: keys.revoke(db, revoked.id)) == []


# Secrets.


@no_deadline
@given(st.text(min_size=8, max_size=200))
def test_a_secret_is_stored_encrypted_and_read_back_unchanged(store, value):
    row = store.run_sync(lambda db: secrets.add(db, store.key_ring, "n", "k", value))
    assert store.run_sync(lambda db: secrets.read(db, store.key_ring, row.id)) == value
    assert value.encode() not in row.sealed


def test_the_database_file_contains_no_secret_and_no_key(tmp_path):
    path = tmp_path / "state.db"
    store = Store.open(str(path), KeyRing(path=tmp_path / "state.key"))
    store.run_sync(
        lambda db: secrets.add(db, store.key_ring, "n", "k", "sk-very-secret")
    )
    _, key = store.run_sync(lambda db: keys.create(db, "robot", ["mint"]))
    token = store.run_sync(
        lambda db: secrets.server_secret(db, store.key_ring, "tokens")
    )
    store.close()
    content = b"".join(f.read_bytes() for f in tmp_path.iterdir())
    for hidden in ("sk-very-secret", key, key.split("_", 2)[2], token):
        assert hidden.encode() not in content
    for name in ("state.db", "state.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_key_rotation_keeps_every_secret_while_a_gateway_runs(open_store, tmp_path):
    """Also what the gateway encrypts between the rotation and the re-encryption."""
    path = tmp_path / "state.key"
    gateway, command = open_store(), open_store()
    first_key = path.read_text()

    def add(value: str) -> str:
        row = gateway.run_sync(
            lambda db: secrets.add(db, gateway.key_ring, "n", "k", value)
        )
        return row.id

    def read(secret_id: str) -> str:
        return gateway.run_sync(
            lambda db: secrets.read(db, gateway.key_ring, secret_id)
        )

    first_id = add("one")
    for _ in range(3):
        command.key_ring.rotate()
        late_id = add("two")
        command.run_sync(lambda db: secrets.reencrypt(db, command.key_ring))
        assert (read(first_id), read(late_id)) == ("one", "two")
    content = path.read_text()
    assert len(content.split()) == 2
    assert first_key.strip() not in content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_environment_keys_rotate_when_a_new_one_is_put_first(open_store, tmp_path):
    store = open_store()
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


def test_a_key_file_is_created_with_its_folder_or_the_error_says_why_not(tmp_path):
    path = tmp_path / "new" / "folder" / "state.key"
    KeyRing(path=path).create_file()
    first = path.read_text()
    KeyRing(path=path).create_file()
    assert path.read_text() == first
    with pytest.raises(ConfigError, match="cannot be written"):
        KeyRing(path=Path("/proc/nowhere/state.key")).create_file()


def test_processes_that_start_at_once_get_one_key_also_without_hard_links(
    tmp_path, monkeypatch
):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)  # as on FAT
    rings = [KeyRing(path=tmp_path / "state.key") for _ in range(8)]
    ready = threading.Barrier(len(rings))

    def create(ring: KeyRing) -> bytes:
        ready.wait()
        ring.create_file()
        return ring.encrypt("value")

    with ThreadPoolExecutor(len(rings)) as threads:
        encrypted = list(threads.map(create, rings))
    assert [rings[0].decrypt(each) for each in encrypted] == ["value"] * len(rings)
    assert [path.name for path in tmp_path.iterdir()] == ["state.key"]


@pytest.mark.parametrize("state_key", ["short", "Pw2IfTOYqyh1VZ3fTqYOXcB!"])
def test_the_error_of_an_invalid_state_key_does_not_show_it(state_key):
    with pytest.raises(ConfigError, match="LITE_STATE_KEY") as raised:
        KeyRing(state_key).check()
    assert state_key not in str(raised.value)


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


# History, and gateways that died.


def test_sessions_of_a_killed_process_are_closed_as_orphans(open_store):
    """Uses a real process, and kills it."""
    store = open_store()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as other:
        dead = store.run_sync(instances.register)
        process = instances._process(other.pid)
        store.run_sync(
            lambda db: setattr(db.get(InstanceRow, dead), "process", process)
        )
        store.run_sync(lambda db: session(db, dead, started=True, id="ran"))
        store.run_sync(lambda db: session(db, dead, started=False, id="minted"))
        own = store.run_sync(instances.register)
        assert store.run_sync(lambda db: instances.close_orphans(db, own)) == []
        other.kill()
    [(lost, certain)] = store.run_sync(lambda db: instances.close_orphans(db, own))
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
    assert store.run_sync(lambda db: instances.close_orphans(db, own)) == []


def test_a_gateway_on_another_host_counts_as_dead_after_a_minute_without_heartbeat(
    store,
):
    own, other = (store.run_sync(instances.register) for _ in range(2))

    def move_to_another_host(db, silent_s: float) -> None:
        row = db.get(InstanceRow, other)
        row.host, row.process = "another host", "1"
        row.seen_at = now() - datetime.timedelta(seconds=silent_s)

    store.run_sync(lambda db: session(db, other, started=True, id="s"))
    store.run_sync(lambda db: move_to_another_host(db, instances.DEAD_AFTER_S - 20))
    assert store.run_sync(lambda db: instances.close_orphans(db, own)) == []
    store.run_sync(lambda db: move_to_another_host(db, instances.DEAD_AFTER_S + 1))
    [(lost, certain)] = store.run_sync(lambda db: instances.close_orphans(db, own))
    assert (lost.id, certain) == ("s", False)
    assert not store.run_sync(lambda db: instances.heartbeat(db, other))
    # It was only cut off from the database, and comes back.
    store.run_sync(lambda db: instances.reregister(db, other))
    assert store.run_sync(lambda db: db.get(SessionRow, "s").ended_at) is None
    assert store.run_sync(lambda db: instances.heartbeat(db, other))


def test_old_sessions_are_deleted_unless_they_run(store):
    old = now() - datetime.timedelta(days=91)

    def add(db) -> None:
        session(db, "i", started=True, id="runs").created_at = old
        ended = session(db, "i", started=True, id="ended")
        ended.created_at, ended.ended_at = old, now()
        session(db, "i", started=False, id="never").created_at = old
        session(db, "i", started=True, id="young").ended_at = now()

    store.run_sync(add)
    store.run_sync(lambda db: history.delete_old(db, 90))
    remaining = {
        i
        for i in ("runs", "ended", "never", "young")
        if store.run_sync(lambda db, i=i: db.get(SessionRow, i))
    }
    assert remaining == {"runs", "young"}


def test_without_a_limit_only_sessions_that_never_started_are_deleted(store):
    old = now() - datetime.timedelta(days=1000)

    def add(db) -> None:
        for name, started in (("ended", True), ("never", False)):
            row = session(db, "i", started=started, id=name)
            row.created_at, row.ended_at = old, old

    store.run_sync(add)
    store.run_sync(lambda db: history.delete_old(db, 0))
    assert store.run_sync(lambda db: db.get(SessionRow, "ended")) is not None
    assert store.run_sync(lambda db: db.get(SessionRow, "never")) is None


def test_a_database_error_is_reported_as_store_unavailable(tmp_path):
    store = Store.open(str(tmp_path / "s.db"), KeyRing(path=tmp_path / "key"))
    store.run_sync(lambda db: db.execute(text("drop table lite_contexts")))
    with pytest.raises(StoreUnavailable, match="try again"):
        store.run_sync(lambda db: db.get(ContextRow, "c"))
    store.close()
