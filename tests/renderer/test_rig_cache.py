"""Cache of rigs: those that only sessions have, and times to draw."""

import itertools

from renderer.rig_cache import MAX_RIGS, RigCache, RigKey


class NoRig:
    """Stands for a rig; nothing is drawn."""


def test_a_rig_that_a_session_has_is_found_and_not_timed_again():
    times = itertools.count(1.0)
    cache = RigCache(lambda _: next(times))
    key = RigKey("mira", 64, 64)
    of_session = cache.find_or_build(key, NoRig)
    for width in range(MAX_RIGS):
        cache.find_or_build(RigKey("theo", width, 64), NoRig)

    assert cache.draw_time("mira", 64, 64) == 1.0
    assert cache.find_or_build(key, NoRig) is of_session
    assert cache.draw_time("mira", 64, 64) == 1.0
    assert cache.draw_time("theo", 0, 64) is None

    cache.evict({"mira"})
    assert cache.draw_time("mira", 64, 64) is None
    assert cache.find_or_build(key, NoRig) is not of_session
    assert cache.draw_time("mira", 64, 64) == MAX_RIGS + 2
