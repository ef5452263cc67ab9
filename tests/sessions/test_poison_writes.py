"""Writes to the history that fail, for a while or for ever, and what goes on."""

import asyncio
import contextlib
import datetime

import pytest
from sqlalchemy import text

from lite_gateway.errors import StoreUnavailable
from lite_gateway.metrics import Metrics
from lite_gateway.sessions import recorder as module
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.store import instances
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store
from lite_gateway.store.models import InstanceRow, SessionRow, now
from tests.sessions.test_recorder import session_row
from tests.virtual import run

# As PostgreSQL does with a value that no column can hold: the row is refused each time.
POISON = """
create trigger poison before update on lite_sessions when new.id = 'poison'
begin select raise(abort, 'refused'); end
"""


class InlineStore:
    """Store that works in the event loop's thread, and can be made to fail."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.away = False
        self.unwritable: set[str] = set()  # ids of sessions

    async def run(self, work):
        def checked(db):
            result = work(db)
            for row in db.dirty:
                if isinstance(row, SessionRow) and row.id in self.unwritable:
                    raise StoreUnavailable("this row cannot be written")
            return result

        await asyncio.sleep(0.01)
        if self.away:
            raise StoreUnavailable("the database is away")
        return self.store.run_sync(checked)

    def session(self, session_id: str) -> SessionRow:
        return self.store.run_sync(lambda db: db.get(SessionRow, session_id))

    def seen_at(self, instance_id: str) -> datetime.datetime:
        return self.store.run_sync(lambda db: db.get(InstanceRow, instance_id).seen_at)


@pytest.fixture
def store(tmp_path):
    store = Store.open(str(tmp_path / "state.db"), KeyRing(path=tmp_path / "key"))
    yield InlineStore(store)
    store.close()


@pytest.fixture
def metrics():
    return Metrics()


def figure(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@contextlib.asynccontextmanager
async def recording(store, metrics, *sessions: str, delete_room=None):
    async def delete_no_room(_: str) -> None: ...

    recorder = HistoryRecorder(
        store,
        delete_room=delete_room or delete_no_room,
        history_days=90,
        metrics=metrics,
    )
    await recorder.open()
    for session_id in sessions:
        await recorder.create(session_row(session_id))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(recorder.run())
        yield recorder
        task.cancel()


def test_a_write_that_can_never_succeed_is_dropped_and_the_next_is_written(
    store, metrics, caplog
):
    store.store.run_sync(lambda db: db.execute(text(POISON)))

    async def main() -> None:
        async with recording(store, metrics, "poison", "good") as recorder:
            await recorder.record_end("poison", now(), "USER_CLOSED", "over")
            await recorder.record_end("good", now(), "USER_CLOSED", "over")
            assert recorder.pending_since_s == 0

    run(main())
    assert store.session("poison").end_reason is None
    assert store.session("good").end_reason == "USER_CLOSED"
    assert figure(metrics, "lite_history_dropped_total", reason="conflict") == 1
    assert "session=poison kind=end reason=conflict" in caplog.text


def test_a_write_that_fails_with_an_unforeseen_exception_is_dropped(store, metrics):
    async def main() -> None:
        async with recording(store, metrics, "good") as recorder:
            await recorder.record_end("good", now(), "USER_CLOSED", None)  # no text
            await recorder.record_start("good", now())

    run(main())
    assert store.session("good").started_at is not None
    assert figure(metrics, "lite_history_dropped_total", reason="error") == 1


def test_a_database_that_is_away_gets_every_write_when_it_is_back(store, metrics):
    sessions = [f"s{n}" for n in range(5)]

    async def main() -> None:
        async with recording(store, metrics, *sessions) as recorder:
            store.away = True
            started_s = asyncio.get_running_loop().time()
            for session_id in sessions:
                await recorder.record_end(session_id, now(), "USER_CLOSED", "over")
            waited_s = asyncio.get_running_loop().time() - started_s
            assert waited_s == pytest.approx(5 * module.WRITE_WAIT_S)
            await asyncio.sleep(100)
            assert figure(metrics, "lite_history_pending") == len(sessions)
            assert figure(metrics, "lite_history_pending_seconds") > 100
            assert recorder.pending_since_s > 100
            store.away = False
            await asyncio.sleep(3)
            assert figure(metrics, "lite_history_pending") == 0

    run(main())
    assert all(store.session(s).end_reason == "USER_CLOSED" for s in sessions)


def test_no_write_waits_behind_one_that_fails_and_that_one_is_given_up(store, metrics):
    async def main() -> None:
        async with recording(store, metrics, "bad", "good") as recorder:
            store.unwritable = {"bad"}
            await recorder.record_end("bad", now(), "USER_CLOSED", "over")
            await asyncio.sleep(10)
            await recorder.record_start("good", now())
            await asyncio.sleep(5)
            assert store.session("good").started_at is not None
            assert len(recorder._pending) == 1
            await asyncio.sleep(module.GIVE_UP_S)
            assert len(recorder._pending) == 1  # nothing shows that it alone fails
            await recorder.record_end("good", now(), "USER_CLOSED", "over")
            await asyncio.sleep(5)
            assert not recorder._pending

    run(main(), debug=False)
    assert figure(metrics, "lite_history_dropped_total", reason="unwritable") == 1


def test_heartbeats_go_on_while_writes_and_rooms_hang(store, metrics):
    """A second gateway would take this one for dead after a minute."""

    class Hanging(InlineStore):
        async def run(self, work):
            if "set_ended" in work.__code__.co_names:
                await asyncio.Event().wait()
            return await super().run(work)

    async def hang(_: str) -> None:
        await asyncio.Event().wait()

    hanging = Hanging(store.store)

    async def main() -> None:
        async with recording(hanging, metrics, "s", delete_room=hang) as recorder:
            recorder._orphan_rooms.append("room of a dead gateway")
            await recorder.record_end("s", now(), "USER_CLOSED", "over")
            long_ago = now() - datetime.timedelta(hours=1)

            def age(db) -> None:
                db.get(InstanceRow, recorder.instance_id).seen_at = long_ago

            store.store.run_sync(age)
            await asyncio.sleep(2 * instances.HEARTBEAT_S)
            assert store.seen_at(recorder.instance_id) > long_ago
            assert recorder.pending_since_s > instances.HEARTBEAT_S

    run(main())


def test_what_is_unwritten_at_the_end_is_counted(store, metrics):
    async def main() -> None:
        async with recording(store, metrics, "s") as recorder:
            store.away = True
            await recorder.record_end("s", now(), "USER_CLOSED", "over")
            await recorder.close()

    run(main())
    assert figure(metrics, "lite_history_dropped_total", reason="closed") == 1
