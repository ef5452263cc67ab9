"""Breathing: how far the chest is lifted over time."""

import math

_PERIOD_S = 4.3
_INHALE, _EXHALE = 0.42, 0.58  # shares of the period


def breath_at(at_s: float) -> float:
    """Return the lift of the chest: 0 after exhaling, 1 after inhaling."""
    phase = at_s / _PERIOD_S % 1.0
    if phase < _INHALE:
        phase = 0.5 * phase / _INHALE
    else:
        phase = 0.5 + 0.5 * (phase - _INHALE) / _EXHALE
    return 0.5 - 0.5 * math.cos(math.tau * phase)
