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


def test_after_a_delayed_rephase_the_first_frame_is_due_at_once_and_the_rest_later():
    clock = FrameClock(Fraction(25), now_s=0.0)
    clock.take(0.0)
    clock.rephase(0.013, delay_s=0.020)
    ticks = [clock.take(clock.due_s) for _ in range(3)]
    assert [tick.index for tick in ticks] == [1, 2, 3]
    assert [tick.due_s for tick in ticks] == pytest.approx([0.013, 0.073, 0.113])
    assert [tick.slot for tick in ticks] == [1, 2, 3]  # also half a frame off


def test_a_rephase_without_delay_ends_that_of_the_one_before():
    clock = FrameClock(Fraction(25), now_s=0.0)
    clock.rephase(0.0, delay_s=0.020)
    clock.rephase(0.010)
    ticks = [clock.take(clock.due_s) for _ in range(2)]
    assert [tick.due_s for tick in ticks] == pytest.approx([0.010, 0.050])


@given(st.floats(0.0, 1.0))
def test_the_first_frame_after_a_delayed_rephase_is_the_nearest_one_and_waits_never(
    late_s,
):
    clock = FrameClock(Fraction(25), now_s=0.0)
    clock.rephase(0.0, delay_s=0.020)
    clock.skip_before(late_s - 0.020)
    assert clock.due_s <= late_s + 1e-9
    first, second = clock.take(late_s), clock.take(clock.due_s)
    assert abs(0.020 + 0.040 * first.index - late_s) <= 0.020 + 1e-9
    assert second.index == first.index + 1
    assert second.due_s == pytest.approx(0.020 + 0.040 * second.index)


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
