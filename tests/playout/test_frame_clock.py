"""The frame clock: due times, skipped frames, samples of a frame."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.playout.frame_clock import FrameClock


class FakeClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_rephased_clock_is_due_at_once_and_then_every_40_ms():
    hand = FakeClock()
    clock = FrameClock(Fraction(25), hand)
    clock.take()
    hand.now_s = 0.013
    clock.rephase()
    ticks = []
    for _ in range(3):
        hand.now_s = clock.due_s
        ticks.append(clock.take())
    assert [tick.index for tick in ticks] == [1, 2, 3]
    assert [tick.due_s for tick in ticks] == pytest.approx([0.013, 0.053, 0.093])


def test_whole_frames_that_are_late_are_skipped_and_no_others():
    hand = FakeClock()
    clock = FrameClock(Fraction(25), hand)
    clock.take()
    hand.now_s = 0.04 + 0.100
    tick = clock.take()
    assert (tick.index, tick.skipped) == (3, 2)
    assert tick.due_s == pytest.approx(0.12)
    assert clock.take().skipped == 0


@given(st.integers(0, 10**7), st.sampled_from([Fraction(25), Fraction(30000, 1001)]))
def test_sound_and_picture_never_drift(index, fps):
    clock = FrameClock(fps, FakeClock())
    exact = Fraction(index * 24_000) / fps
    assert 0 <= exact - clock.samples(index, 24_000) < 1
