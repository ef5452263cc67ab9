"""The jitter buffer: how its target delay grows and shrinks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.playout.jitter_buffer import MAX_S, JitterBuffer


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=200))
def test_the_cushion_stays_within_its_bounds(history):
    cushion = JitterBuffer()
    for spare_s in history:
        if spare_s is None:
            cushion.ran_dry()
        else:
            cushion.stretch_over(spare_s)
        assert 0 <= cushion.target_s <= MAX_S


def test_the_cushion_grows_when_dry_and_shrinks_when_there_is_time_to_spare():
    cushion = JitterBuffer(0.020)
    cushion.ran_dry()
    assert cushion.target_s == pytest.approx(0.030)
    for _ in range(3):
        cushion.stretch_over(0.035)
    assert cushion.target_s == pytest.approx(0.020)
    for _ in range(30):
        cushion.stretch_over(5.0)  # a burst says nothing about jitter
    assert cushion.target_s == pytest.approx(0.020)
