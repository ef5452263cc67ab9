"""The frame clock: frame n is due at a function of n, so jitter does not add up."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Tick:
    index: int  # of the frame, counted through the whole session
    due_s: float
    skipped: int  # frames given up to catch up


class FrameClock:
    """
    Frame ``next`` is due at ``anchor + (next - anchor_index) / fps``.

    `rephase` moves the anchor to now: the next frame is due at once and the later
    ones follow from it.  A caller who is late by whole frames skips them; live
    video that plays catch-up only gets further behind.
    """

    def __init__(self, fps: Fraction, now: Callable[[], float]) -> None:
        self.fps = fps
        self.next = 0
        self._now = now
        self._anchor_index = 0
        self._anchor_s = now()

    @property
    def due_s(self) -> float:
        """When frame ``next`` is due."""
        return self._anchor_s + float((self.next - self._anchor_index) / self.fps)

    def rephase(self) -> None:
        self._anchor_index, self._anchor_s = self.next, self._now()

    def take(self) -> Tick:
        """The newest frame that is due; the ones before it are skipped."""
        late_frames = math.floor((self._now() - self.due_s) * self.fps)
        skipped = max(0, late_frames)
        self.next += skipped
        tick = Tick(self.next, self.due_s, skipped)
        self.next += 1
        return tick

    def samples(self, frames: int, sample_rate: int) -> int:
        """Where the sound of a frame starts, ``frames`` after a stretch began."""
        return int(frames * sample_rate / self.fps)
