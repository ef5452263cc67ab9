"""Frame clock: due times, skipped frames, samples of a frame."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.playout.frame_clock import FrameClock


def test_a_rephased_clock_is_due_at_once_and_then_every_40_ms():
    clock = FrameClock(Fraction(25), now_s=0.0)
    clock.take(0.0)
    clock.rephase(0.013)
    ticks = [clock.take(clock.due_s) for _ in range(3)]
    assert [tick.index for tick in ticks] == [1, 2, 3]
    assert [tick.due_s for tick in ticks] == pytest.approx([0.013, 0.053, 0.093])


def test_only_frames_that_are_late_by_a_whole_frame_are_skipped():
    clock = FrameClock(Fraction(25), now_s=0.0)
    clock.take(0.0)
    now_s = 0.04 + 0.100
    tick = clock.take(now_s)
    assert (tick.index, tick.skipped) == (3, 2)
    assert tick.due_s == pytest.approx(0.12)
    assert clock.take(now_s).skipped == 0


@given(st.integers(0, 10**7), st.sampled_from([Fraction(25), Fraction(30000, 1001)]))
def test_audio_and_video_never_drift(index, fps):
    clock = FrameClock(fps, now_s=0.0)
    exact = Fraction(index * 24_000) / fps
    assert 0 <= exact - clock.samples(index, 24_000) < 1
