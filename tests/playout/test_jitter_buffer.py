"""Jitter buffer: how its target delay grows and shrinks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.playout.jitter_buffer import MAX_DELAY_S, JitterBuffer


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=200))
def test_the_target_delay_stays_within_its_bounds(history):
    buffer = JitterBuffer()
    for spare_s in history:
        if spare_s is None:
            buffer.on_underrun()
        else:
            buffer.on_talkspurt_end(spare_s)
        assert 0 <= buffer.target_s <= MAX_DELAY_S


def test_the_target_delay_grows_after_an_underrun_and_shrinks_when_audio_is_early():
    buffer = JitterBuffer(0.020)
    buffer.on_underrun()
    assert buffer.target_s == pytest.approx(0.030)
    for _ in range(3):
        buffer.on_talkspurt_end(0.035)
    assert buffer.target_s == pytest.approx(0.020)
    for _ in range(30):
        buffer.on_talkspurt_end(5.0)  # a burst shows no jitter
    assert buffer.target_s == pytest.approx(0.020)
