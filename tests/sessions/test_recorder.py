"""Session history of a running gateway, while its database is locked."""

import asyncio
import sqlite3
import time
import uuid

import pytest

from lite_gateway.errors import StoreUnavailable
from lite_gateway.metrics import Metrics
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.store import history
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store
from lite_gateway.store.models import SessionRow, now
from tests.waiting import PATIENCE_S, best_of, figures


@pytest.fixture
def store(tmp_path):
    store = Store.open(str(tmp_path / "state.db"), KeyRing(path=tmp_path / "key"))
    yield store
    store.close()


def session_row(session_id: str) -> SessionRow:
    return SessionRow(
        id=session_id,
        key_id="k",
        avatar="mira",
        sandbox=False,
        own_room=False,
        created_at=now(),
    )


@pytest.mark.slow
@best_of(3)
def test_start_and_end_of_a_session_do_not_wait_for_a_locked_database(store, tmp_path):
    """Another process locks the file; the recorder writes after it unlocks."""
    session_id = str(uuid.uuid4())

    async def read_row() -> SessionRow:
        return await store.run(lambda db: history.find(db, session_id))

    async def delete_no_room(_: str) -> None: ...

    async def main() -> float:
        recorder = HistoryRecorder(
            store, delete_room=delete_no_room, history_days=90, metrics=Metrics()
        )
        await recorder.open()
        await recorder.create(session_row(session_id))
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(recorder.run())
            await asyncio.sleep(0.5)
            other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            started_s = time.monotonic()
            await recorder.record_start(session_id, now())
            await recorder.record_end(session_id, now(), "USER_CLOSED", "over")
            waited_s = time.monotonic() - started_s
            with pytest.raises(StoreUnavailable):
                await recorder.create(session_row("other"))
            other.execute("ROLLBACK")
            other.close()
            async with asyncio.timeout(PATIENCE_S):
                while (await read_row()).end_reason is None:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.1)
            writer.cancel()
        await recorder.close()
        return waited_s

    waited_s = asyncio.run(main())
    row = store.run_sync(lambda db: history.find(db, session_id))
    assert row.end_reason == "USER_CLOSED"
    assert row.started_at is not None
    with figures():
        assert waited_s < 3
