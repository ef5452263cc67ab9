"""
Degradation: which faces get half the frame rate while the machine is late.

Each level halves the frame rate of one more group of sessions. Audio, and the time at
which a frame is shown, are the same at every level.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# Groups of poses, in the order in which they are halved.
GROUPS = ("idle", "listening", "talking")
PERIOD_S = 0.25
# Share of the frames of a period that are late or skipped, from which it counts as
# late. One session has six frames in a period: one of them is enough.
LATE_SHARE = 0.05
LATE_PERIODS = 4  # in a row, before the level rises: one second
HOLD_S = 10.0  # with hardly a late period, before the level falls
MAX_HOLD_S = 120.0
_LATE_COST_S = 1.0  # of that time, for each late period
# Share of its time that the render thread may be expected to work after a fall, and
# the periods over which it is averaged.
_MAX_BUSY, _BUSY_PERIODS = 0.9, 8


@dataclass(frozen=True, slots=True)
class Period:
    """Frames of all sessions in one period, and the sessions: one or more."""

    lasted_s: float
    frames: int  # that were due and not left out on purpose
    late: int  # of them: sent when the next one was due already, or skipped
    busy: float  # share of the time in which the render thread worked
    sessions: Sequence[int]  # in each of `GROUPS`


def group_of(pose: str) -> str:
    """Return the group of a pose: a face that thinks has a user who waits for it."""
    return "listening" if pose == "thinking" else pose


class Degradation:
    """
    Level from 0, at which nothing is halved, to the number of `GROUPS`.

    It rises after a second of late periods, and falls after `HOLD_S` almost without
    them. It skips levels that would change nothing for the present sessions. A fall
    that made frames late again doubles the wait before the next fall, and one that the
    render thread seems to have no time for waits longer. After `MAX_HOLD_S` at one
    level a fall is tried in any case, unless frames are late at that moment.
    """

    def __init__(self) -> None:
        self.level = 0
        self._late_periods = 0  # in a row
        self._calm_s = 0.0  # time with hardly a late period
        self._busy = 0.0  # share of the render thread's time, averaged
        self._hold_s = HOLD_S
        self._since_fall_s = self._since_rise_s = MAX_HOLD_S

    def observe(self, period: Period) -> None:
        """Take one period into account, and change the level if it is time for it."""
        self._since_fall_s += period.lasted_s
        self._since_rise_s += period.lasted_s
        self._busy += (period.busy - self._busy) / _BUSY_PERIODS
        if period.late > LATE_SHARE * period.frames:
            self._late_periods += 1
            self._calm_s = max(0.0, self._calm_s - _LATE_COST_S)
        else:
            self._late_periods = 0
            self._calm_s += period.lasted_s
        if self._late_periods >= LATE_PERIODS:
            self._rise(period.sessions)
        elif self.level and self._may_fall(period.sessions):
            self._fall(period.sessions)

    def _may_fall(self, sessions: Sequence[int]) -> bool:
        if min(self._since_rise_s, self._since_fall_s) >= MAX_HOLD_S:
            return not self._late_periods
        more = demand_at(self.level - 1, sessions) / demand_at(self.level, sessions)
        return self._busy * more <= _MAX_BUSY and self._calm_s >= self._hold_s

    def _rise(self, sessions: Sequence[int]) -> None:
        self._late_periods, self._calm_s = 0, 0.0
        higher = range(self.level + 1, len(GROUPS) + 1)
        demand = demand_at(self.level, sessions)
        level = next((lv for lv in higher if demand_at(lv, sessions) < demand), None)
        if level is None:
            return
        too_early = self._since_fall_s < self._hold_s
        self._hold_s = min(2 * self._hold_s, MAX_HOLD_S) if too_early else HOLD_S
        self.level, self._since_rise_s = level, 0.0

    def _fall(self, sessions: Sequence[int]) -> None:
        """Go down to the lowest level that has the demand of the next lower one."""
        self._late_periods, self._calm_s, self._since_fall_s = 0, 0.0, 0.0
        demand = demand_at(self.level - 1, sessions)
        levels = range(self.level)
        self.level = next(lv for lv in levels if demand_at(lv, sessions) == demand)


def demand_at(level: int, sessions: Sequence[int]) -> float:
    """Return the frames that ``sessions`` need at a level, 1 for each at full rate."""
    return sum(
        count / 2 if group < level else count for group, count in enumerate(sessions)
    )
