"""Lateness of a session's frames: how long after it was due a frame is seen."""

from collections import deque

KEPT_FRAMES = 9  # a third of a second; the median of them ignores single late frames
# Frames of a machine that is in time: less does not matter.
USUAL_S = 0.010
MAX_S = 0.050


class Lateness:
    """Median lateness of the newest frames that were sent."""

    def __init__(self) -> None:
        self._late_s = deque([0.0] * KEPT_FRAMES, KEPT_FRAMES)

    def observe(self, late_s: float) -> None:
        """Add a frame that was sent ``late_s`` after it was due."""
        self._late_s.append(late_s)

    @property
    def unusual_s(self) -> float:
        """Lateness beyond `USUAL_S`, of at most `MAX_S`, in seconds."""
        median_s = sorted(self._late_s)[KEPT_FRAMES // 2]
        return max(0.0, min(median_s, MAX_S) - USUAL_S)
