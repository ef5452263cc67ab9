"""Frame clock: frame n is due at a function of n, so jitter does not add up."""

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Tick:
    """One frame that is due."""

    index: int  # of the frame, counted through the whole session
    due_s: float
    skipped: int  # frames dropped since the tick before


class FrameClock:
    """
    Clock without time of its own: each caller passes in ``now_s``, in seconds.

    Frame ``next`` is due at ``anchor_s + (next - anchor_index) / fps``.  `rephase`
    moves the anchor to now: the next frame is due at once and the later ones follow
    from it.  A caller that is late by whole frames skips them, because live video that
    catches up only falls further behind.
    """

    def __init__(self, fps: Fraction, now_s: float) -> None:
        # Integers and a float: a Fraction takes 2 µs for each division.
        self._frames, self._seconds = fps.numerator, fps.denominator
        self.rate = float(fps)  # frames per second
        self.period_s = float(1 / fps)  # from one frame to the next
        self.next = 0  # index of the next frame
        self._anchor_index = 0
        self._anchor_s = now_s
        self._skipped = 0  # by `skip_before`, since the newest tick

    @property
    def due_s(self) -> float:
        """Time at which frame ``next`` is due."""
        frames = self.next - self._anchor_index
        return self._anchor_s + frames * self._seconds / self._frames

    def rephase(self, now_s: float) -> None:
        """Make the next frame due at once and count the later ones from it."""
        self._anchor_index, self._anchor_s = self.next, now_s

    def delay(self, by_s: float) -> None:
        """Make the next frame, and all later ones, due later by ``by_s``."""
        self._anchor_s += by_s

    def skip_before(self, at_s: float) -> None:
        """Skip the frames that were due before ``at_s``."""
        skipped = max(0, math.ceil((at_s - self.due_s) * self.rate))
        self.next += skipped
        self._skipped += skipped

    def take(self, now_s: float) -> Tick:
        """Return the newest frame that is due and skip the ones before it."""
        late_frames = math.floor((now_s - self.due_s) * self.rate)
        self._skipped += max(0, late_frames)
        self.next += max(0, late_frames)
        tick = Tick(self.next, self.due_s, self._skipped)
        self.next += 1
        self._skipped = 0
        return tick

    def samples(self, frames: int, sample_rate: int) -> int:
        """Return the whole samples that last as long as ``frames`` frames."""
        return frames * sample_rate * self._seconds // self._frames
