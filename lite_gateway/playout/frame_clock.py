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
    slot: int  # its time by its number, in frames since the machine started


class FrameClock:
    """
    Clock without time of its own: each caller passes in ``now_s``, in seconds.

    Frame ``next`` is due at ``anchor_s + (next - anchor_index) / fps``.  `rephase`
    moves the anchor to now: the next frame is due at once and the later ones follow
    from it.  With a delay the anchor is later than now, and the next frame that is
    taken, whichever it is, is due earlier than its number says, by the delay.  A caller
    that is late by whole frames skips them, because live video that catches up only
    falls further behind.
    """

    def __init__(self, fps: Fraction, now_s: float) -> None:
        # Integers and a float: a Fraction takes 2 µs for each division.
        self._frames, self._seconds = fps.numerator, fps.denominator
        self.rate = float(fps)  # frames per second
        self.period_s = float(1 / fps)  # from one frame to the next
        self.next = 0  # index of the next frame
        self._anchor_index = 0
        self._anchor_s = now_s
        self._early_s = 0.0  # by which the next frame that is taken is due earlier
        self._skipped = 0  # by `skip_before`, since the newest tick

    @property
    def due_s(self) -> float:
        """Time at which frame ``next`` is due."""
        return self._number_s - self._early_s

    @property
    def _number_s(self) -> float:
        """Time that the number of frame ``next`` says."""
        frames = self.next - self._anchor_index
        return self._anchor_s + frames * self._seconds / self._frames

    def rephase(self, now_s: float, delay_s: float = 0.0) -> None:
        """Make the next frame due at once; count from it, ``delay_s`` later."""
        self._anchor_index, self._anchor_s = self.next, now_s + delay_s
        self._early_s = delay_s

    def delay(self, by_s: float) -> None:
        """Make the next frame, and all later ones, due later by ``by_s``."""
        self._anchor_s += by_s

    def skip_before(self, at_s: float) -> None:
        """Skip the frames whose numbers say a time before ``at_s``."""
        skipped = max(0, math.ceil((at_s - self._number_s) * self.rate))
        self.next += skipped
        self._skipped += skipped

    def take(self, now_s: float) -> Tick:
        """Return the newest frame that is due and skip the ones before it."""
        late_frames = math.floor((now_s - self._number_s) * self.rate)
        self._skipped += max(0, late_frames)
        self.next += max(0, late_frames)
        # Rounded once for all frames of a phase, so that their slots are consecutive.
        slot = round(self._anchor_s * self.rate) + self.next - self._anchor_index
        tick = Tick(self.next, self.due_s, self._skipped, slot)
        self.next += 1
        self._early_s, self._skipped = 0.0, 0
        return tick

    def samples(self, frames: int, sample_rate: int) -> int:
        """Return the whole samples that last as long as ``frames`` frames."""
        return frames * sample_rate * self._seconds // self._frames
