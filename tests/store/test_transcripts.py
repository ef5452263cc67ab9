"""Transcripts in both databases: pages, times, and their deletion with the history."""

import dataclasses
import datetime
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.store import history, transcripts
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store
from lite_gateway.store.models import SessionRow, TranscriptRow, new_id, now
from lite_gateway.store.transcripts import TranscriptLine

START = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)
START_MS = transcripts.unix_ms(START)


def add_session(store: Store, **fields) -> str:
    """Add a session that has started at `START`, and return its id."""
    session_id = new_id()
    row = SessionRow(
        id=session_id,
        instance_id="i",
        key_id="k",
        avatar="mira",
        sandbox=False,
        own_room=False,
        **{"created_at": START, "started_at": START, **fields},
    )
    store.run_sync(lambda db: db.add(row))
    return session_id


def add_lines(store: Store, session_id: str, *times_ms: int, text: str = "a") -> None:
    lines = [TranscriptLine(session_id, "user", text, at_ms) for at_ms in times_ms]
    store.run_sync(lambda db: transcripts.add(db, lines))


def page(store: Store, session_id: str, start=None, end=None, limit=100):
    return store.run_sync(
        lambda db: transcripts.page(db, session_id, start, end, limit)
    )


def times(store: Store, session_id: str) -> list[int]:
    return [row.absolute_ms for row in page(store, session_id)[0]]


def count(store: Store) -> int:
    return store.run_sync(lambda db: db.query(TranscriptRow).count())


def test_lines_have_both_times_and_the_words(store):
    session_id = add_session(store)
    words = "Grüß Gott \N{PILE OF POO}\0\n"
    lines = [
        TranscriptLine(session_id, "avatar", words, START_MS + 1500),
        TranscriptLine(session_id, "user", "before the start", START_MS - 5),
    ]
    store.run_sync(lambda db: transcripts.add(db, lines))
    rows, following = page(store, session_id)
    assert following is None
    assert [(r.role, r.absolute_ms - START_MS, r.relative_ms) for r in rows] == [
        ("user", -5, 0),
        ("avatar", 1500, 1500),
    ]
    assert rows[1].text == words.replace("\0", "\ufffd")


def test_times_are_unique_in_a_session_alone(store):
    first, second = add_session(store), add_session(store)
    add_lines(store, first, START_MS, START_MS, START_MS + 1)
    add_lines(store, first, START_MS)
    add_lines(store, second, START_MS)
    assert times(store, first) == [START_MS + ms for ms in range(4)]
    assert times(store, second) == [START_MS]


@pytest.mark.parametrize("stored", [True, False])
def test_lines_that_may_be_stored_are_stored_once(store, stored):
    session_id = add_session(store)
    words = ["yes", "yes", "no", "yes"]
    lines = [TranscriptLine(session_id, "user", text, START_MS) for text in words]
    if stored:
        store.run_sync(lambda db: transcripts.add(db, lines))
    again = [dataclasses.replace(line, may_be_stored=True) for line in lines]
    store.run_sync(lambda db: transcripts.add(db, again))
    assert [row.text for row in page(store, session_id)[0]] == words


def test_a_page_ends_at_its_bounds_and_names_the_next_line(store):
    session_id = add_session(store)
    add_lines(store, session_id, *(START_MS + 10 * number for number in range(5)))
    for start, end, limit, found, following in (
        (None, None, 2, [0, 10], 20),
        (20, None, 2, [20, 30], 40),
        (40, None, 2, [40], None),
        (10, 30, 9, [10, 20, 30], None),
        (10, 30, 2, [10, 20], 30),
        (11, 29, 9, [20], None),
        (30, 10, 9, [], None),
        (1 << 80, None, 9, [], None),
        (-(1 << 80), 0, 9, [0], None),
    ):
        bounds = [
            None if ms is None else START_MS + ms if abs(ms) < 100 else ms
            for ms in (start, end)
        ]
        rows, next_ms = page(store, session_id, *bounds, limit)
        assert [row.absolute_ms - START_MS for row in rows] == found
        assert next_ms == (None if following is None else START_MS + following)


def test_the_words_of_a_deleted_session_are_left_out(store):
    session_id = add_session(store)
    lines = [
        TranscriptLine("gone", "user", "a", START_MS),
        TranscriptLine(session_id, "user", "b", START_MS),
    ]
    store.run_sync(lambda db: transcripts.add(db, lines))
    assert [row.text for row in page(store, session_id)[0]] == ["b"]
    assert count(store) == 1


def test_transcripts_are_deleted_with_the_history(store):
    long_ago = now() - datetime.timedelta(days=100)
    old = add_session(store, created_at=long_ago, ended_at=long_ago)
    running = add_session(store, created_at=long_ago)
    recent = add_session(store, created_at=now(), ended_at=now())
    for session_id in (old, running, recent):
        add_lines(store, session_id, START_MS, START_MS + 1)
    assert not store.run_sync(lambda db: transcripts.delete_old(db, 0))
    assert count(store) == 6
    assert not store.run_sync(lambda db: transcripts.delete_old(db, 90))
    assert [len(times(store, each)) for each in (old, running, recent)] == [0, 2, 2]


def test_old_transcripts_are_deleted_in_pieces(store, monkeypatch):
    monkeypatch.setattr(transcripts, "_DELETE_AT_ONCE", 2)
    old = add_session(store, created_at=START, ended_at=START)
    add_lines(store, old, *range(5))
    rounds = 1
    while store.run_sync(lambda db: transcripts.delete_old(db, 1)):
        rounds += 1
    assert (rounds, count(store)) == (3, 0)


def test_a_session_takes_its_transcript_with_it(store):
    session_id = add_session(store, created_at=START, ended_at=START)
    add_lines(store, session_id, START_MS)
    store.run_sync(lambda db: history.delete_old(db, 1))
    assert count(store) == 0


@pytest.fixture(scope="module")
def file_store(tmp_path_factory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    store = Store.open(str(folder / "state.db"), KeyRing(path=folder / "key"))
    yield store
    store.close()


bound = st.none() | st.integers(0, 12)


@settings(max_examples=40)
@given(lines=st.lists(st.integers(0, 12), max_size=15), start=bound, end=bound)
def test_pages_together_are_the_whole_transcript(file_store, lines, start, end):
    session_id = add_session(file_store)
    add_lines(file_store, session_id, *lines)
    everything = times(file_store, session_id)
    assert len(set(everything)) == len(lines)
    first = start if start is not None else 0
    last = end if end is not None else 100
    whole = [ms for ms in everything if first <= ms <= last]
    for limit in (1, 3, 4):
        read, following = [], start
        while True:
            rows, following = page(file_store, session_id, following, end, limit)
            assert len(rows) <= limit
            read += [row.absolute_ms for row in rows]
            if following is None:
                break
        assert read == whole
