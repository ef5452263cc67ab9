"""Half frame rate: which slots of a session are shown."""

from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.playout.half_rate import HalfRate


def shown(half_rate: HalfRate, slots: range) -> list[int]:
    kept = []
    for slot in slots:
        if not half_rate.leaves_out(slot):
            half_rate.show(slot)
            kept.append(slot)
    return kept


def test_sessions_of_both_parities_share_the_frames_between_them():
    slots = range(100, 120)
    even, odd = shown(HalfRate(0), slots), shown(HalfRate(1), slots)
    assert even == list(range(100, 120, 2))
    assert odd[1:] == list(range(101, 120, 2))  # the first one is always shown


def test_the_first_frame_after_a_rephase_is_shown_at_once():
    half_rate = HalfRate(0)
    half_rate.show(6)
    assert half_rate.leaves_out(7)
    half_rate.show_next()
    assert not half_rate.leaves_out(7)


@given(
    st.integers(0, 1),
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=60),
)
def test_never_two_frames_in_a_row_are_left_out_and_every_second_one_is(parity, script):
    """``script``: frames skipped before each one, whether halved, whether rephased."""
    half_rate = HalfRate(parity)
    slot, was_left_out = 0, False
    for skipped, halved, rephased in script:
        slot += 1 + skipped
        if rephased:
            half_rate.show_next()
        leaves_out = halved and half_rate.leaves_out(slot)
        if leaves_out:
            assert not was_left_out
            assert not skipped
            assert not rephased
        else:
            half_rate.show(slot)
        was_left_out = leaves_out
        count = half_rate.left_out_of(slot, skipped)
        assert skipped // 2 <= count <= (skipped + 1) // 2
