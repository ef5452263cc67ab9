"""Tests of the table of a turn's life, and of the queue of turns."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.turns import IGNORED, NEXT, Turn, TurnCause, TurnQueue, TurnState

causes = st.sampled_from(TurnCause)
causes_of_one_turn = st.sampled_from([c for c in TurnCause if c is not TurnCause.FLUSH])
RANK = {"open": 0, "sealed": 1, "over": 2}


def turn_in(state: TurnState) -> Turn:
    turn = Turn(1)
    turn.state = state
    return turn


def pair_id(value) -> str:
    return value.name.lower()


def test_every_pair_has_a_next_state_or_is_ignored_and_never_both():
    assert NEXT.keys() | IGNORED == set(itertools.product(TurnState, TurnCause))
    assert not NEXT.keys() & IGNORED


@pytest.mark.parametrize(("state", "cause"), sorted(NEXT, key=str), ids=pair_id)
def test_a_turn_goes_to_the_state_of_the_table(state, cause):
    turn = turn_in(state)
    assert turn.apply(cause)
    assert turn.state is NEXT[state, cause]


@pytest.mark.parametrize(("state", "cause"), sorted(IGNORED, key=str), ids=pair_id)
def test_an_ignored_cause_changes_nothing(state, cause):
    turn = turn_in(state)
    assert not turn.apply(cause)
    assert turn.state is state


@pytest.mark.parametrize(("state", "cause"), sorted(NEXT, key=str), ids=pair_id)
def test_no_cause_reopens_a_turn_or_takes_back_its_start(state, cause):
    before, after = turn_in(state), turn_in(NEXT[state, cause])
    ranks = [RANK[turn.state.value.split(",")[0]] for turn in (before, after)]
    assert ranks == sorted(ranks)
    assert after.has_started >= before.has_started


@pytest.mark.parametrize("state", TurnState, ids=pair_id)
def test_only_an_open_turn_takes_audio(state):
    turn = turn_in(state)
    assert turn.is_open == turn.apply(TurnCause.APPEND)


@pytest.mark.parametrize("state", TurnState, ids=pair_id)
def test_a_flush_ends_a_turn_in_every_state(state):
    turn = turn_in(state)
    assert turn.apply(TurnCause.FLUSH) != turn_in(state).is_over
    assert turn.is_over


@given(st.lists(causes))
def test_a_turn_starts_at_most_once_and_ends_exactly_once(script):
    turn, starts, ends = Turn(1), 0, 0
    for cause in [*script, TurnCause.FLUSH]:
        had_started, was_over = turn.has_started, turn.is_over
        turn.apply(cause)
        starts += turn.has_started and not had_started
        ends += turn.is_over and not was_over
    assert starts <= 1
    assert ends == 1


queue_steps = st.lists(
    st.one_of(
        st.just("add"),
        st.tuples(st.integers(0, 6), causes_of_one_turn),
        st.integers(0, 6),  # flush up to this number
    ),
    max_size=40,
)


@given(queue_steps)
def test_a_queue_starts_turns_at_most_once_and_ends_each_once_in_order(script):
    queue, added, started, over = TurnQueue(), [], [], []
    for step in [*script, 99]:
        match step:
            case "add":
                added.append(len(added) + 1)
                queue.add(Turn(added[-1]))
            case int(upto):
                over += [turn.number for turn in queue.flush(upto)]
            case (number, cause):
                changed = queue.apply(number, cause) is not None
                started += [number] * (changed and cause is TurnCause.START)
                over += [number] * (changed and cause is TurnCause.FINISH)
    assert over == added
    assert started == sorted(set(started))
    assert list(queue) == []
    assert queue.newest is None


@pytest.mark.parametrize("cause", [TurnCause.START, TurnCause.FINISH], ids=pair_id)
def test_only_the_oldest_turn_starts_or_finishes(cause):
    queue = TurnQueue()
    for number in (1, 2):
        queue.add(Turn(number))
        queue.apply(number, TurnCause.SEAL)
    second = queue.newest
    assert queue.apply(2, cause) is None
    assert queue.apply(1, cause).number == 1
    queue.flush(1)
    assert queue.apply(2, cause) is second


def test_a_queue_ignores_turns_that_are_over_or_unknown():
    queue = TurnQueue()
    queue.add(Turn(1))
    queue.flush(1)
    assert queue.find(1) is None
    assert [queue.apply(n, cause) for n in (1, 7) for cause in TurnCause] == [None] * 10
