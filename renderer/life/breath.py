"""Breathing: how far the chest is lifted at a time."""

import math

_BREATH_S = 4.3


def breath_at(at_s: float) -> float:
    """0 breathed out .. 1 breathed in; in is quicker than out."""
    turn = at_s / _BREATH_S % 1.0
    turn = 0.5 * turn / 0.42 if turn < 0.42 else 0.5 + 0.5 * (turn - 0.42) / 0.58
    return 0.5 - 0.5 * math.cos(math.tau * turn)
