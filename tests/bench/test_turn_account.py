"""Account of turns in the soak with faults: what it takes for a fault."""

import pytest

from bench.faults.account import (
    APPENDED,
    ENDED,
    INTERRUPTED,
    STARTED,
    STOPPED,
    TurnAccount,
)

pytestmark = pytest.mark.unit


def account(*turns: str, certain: bool = True) -> TurnAccount:
    """Return the account of a session that has sent turns."""
    result = TurnAccount()
    for turn in turns:
        result.sending(turn, certain=certain)
    return result


def take(taking: TurnAccount, *events: tuple[str, str]) -> None:
    for kind, turn in events:
        taking.take({"type": kind, "event_id": turn, "source_event_id": turn})


def test_turns_that_are_over_once_and_in_order_are_no_fault():
    turns = account("a", "b", "c")
    take(turns, (STARTED, "a"), (ENDED, "a"), (STARTED, "b"))
    assert turns.due() == ["b", "c"]
    take(turns, (INTERRUPTED, "b"), (INTERRUPTED, "c"), (STOPPED, ""))
    assert turns.faults == turns.due() == turns.pending() == []
    counts = {name: turns.count(name) for name in ("sent", "started", "ended")}
    assert counts == {"sent": 3, "started": 2, "ended": 1}
    assert turns.count("interrupted") == 2
    assert turns.count("unaccounted") == turns.count("uncertain") == 0


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([(ENDED, "a"), (ENDED, "a")], "turn a was over again"),
        ([(ENDED, "a"), (INTERRUPTED, "a")], "turn a was over again"),
        ([(STARTED, "a"), (STARTED, "a")], "turn a started 2 times"),
        ([(ENDED, "a"), (STARTED, "a")], "turn a started after it was over"),
        ([(ENDED, "b"), (ENDED, "a")], "turn a was over after a later turn"),
        ([(STOPPED, ""), (INTERRUPTED, "a")], "of turn a after session.stopped"),
        ([(ENDED, "x")], "a turn that was not sent: 'x'"),
    ],
)
def test_what_the_protocol_forbids_is_a_fault(events, fault):
    turns = account("a", "b")
    take(turns, *events)
    assert len(turns.faults) == 1
    assert fault in turns.faults[0]


def test_a_turn_that_is_not_over_is_unaccounted():
    turns = account("a", "b")
    take(turns, (STARTED, "b"), (ENDED, "b"))
    assert turns.due() == ["a"]
    assert turns.count("unaccounted") == 1


def test_a_lost_connection_leaves_turns_uncertain_until_the_server_answers():
    turns = account("a")
    turns.doubt(["a"])
    assert turns.count("uncertain") == 1
    assert turns.count("unaccounted") == 0
    take(turns, (APPENDED, "a"))
    assert turns.count("uncertain") == 0
    assert turns.count("unaccounted") == 1
    take(turns, (ENDED, "a"))
    assert turns.count("unaccounted") == 0


def test_a_turn_that_may_be_refused_is_due_once_it_is_accepted():
    turns = account("a", "b", certain=False)
    take(turns, (APPENDED, "a"))
    assert turns.due() == ["a"]
    take(turns, (ENDED, "a"), (ENDED, "a"))
    assert turns.faults
