"""Ten thousand mutated messages on each run; `make fuzz` sends a million."""

from tests.protocol.fuzz import fuzz


def test_mutated_messages_raise_nothing_and_every_turn_is_over_once():
    counts = fuzz(10_000, seed=15).counts
    assert counts["messages"] == counts["stream steps"] == 10_000
    assert 0 < counts["refused"] < counts["messages"]
    assert counts["turns started"] > 100
    assert counts["streams reported"] > 100
    assert counts["channel refused"] > 100
    assert counts["user speech"] > 100
    assert counts["avatar speech"] > 100
