"""Frame rates of all sessions: counts late frames, and halves rates while there are."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextvars import Context
from fractions import Fraction

from lite_gateway.metrics import Metrics
from lite_gateway.playout.degradation import (
    GROUPS,
    PERIOD_S,
    Degradation,
    Period,
    group_of,
)
from renderer.frames import POSES

log = logging.getLogger(__name__)

REPORT_INTERVAL_S = 60.0  # between two reports to one session that its rate is halved


class FrameRates:
    """
    Frame rates of the sessions that share one renderer.

    ``rendered_s`` returns the time that the render thread has worked so far.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        now: Callable[[], float],
        fps: Fraction,
        rendered_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._metrics = metrics
        self._now = now
        self._rate = float(fps)
        self._rendered_s = rendered_s
        self._degradation = Degradation()
        self._sessions: set[SessionFrameRate] = set()
        self._opened = 0  # sessions so far
        self._frames = self._late = 0  # in this period
        self._start_s, self._start_rendered_s = now(), rendered_s()
        self.halved: frozenset[str] = frozenset()  # poses with half the rate

    @property
    def level(self) -> int:
        """Level of the degradation, 0 if no session is affected."""
        return self._degradation.level

    @contextlib.contextmanager
    def session(self) -> Iterator["SessionFrameRate"]:
        """Yield the frame rate of a session that runs during the block."""
        if not self._sessions:
            self._begin_period(self._now())
        session = SessionFrameRate(self, self._metrics, self._now, self._opened % 2)
        self._opened += 1
        self._sessions.add(session)
        try:
            yield session
        finally:
            self._sessions.remove(session)
            if not self._sessions:
                self._degradation = Degradation()
                self._apply()

    def count(self, frames: int, late: int) -> None:
        """Count frames that were due, and how many of them were late or skipped."""
        self._frames += frames
        self._late += late
        if self._now() - self._start_s >= PERIOD_S:
            self._end_period()

    def is_late(self, pose: str, late_s: float) -> bool:
        """Return whether a frame was sent when the next one was due already."""
        return late_s * self._rate > (2 if pose in self.halved else 1)

    def _begin_period(self, now_s: float) -> None:
        self._frames = self._late = 0
        self._start_s, self._start_rendered_s = now_s, self._rendered_s()

    def _end_period(self) -> None:
        now_s, before = self._now(), self.level
        lasted_s = now_s - self._start_s
        groups = [session.group for session in self._sessions]
        period = Period(
            lasted_s,
            self._frames,
            self._late,
            (self._rendered_s() - self._start_rendered_s) / lasted_s,
            [groups.count(group) for group in GROUPS],
        )
        self._begin_period(now_s)
        self._degradation.observe(period)
        if self.level != before:
            self._apply()
            # In no session's context: the line is about all of them.
            Context().run(self._log, before, period)

    def _apply(self) -> None:
        halved = GROUPS[: self.level]
        self.halved = frozenset(pose for pose in POSES if group_of(pose) in halved)
        self._metrics.degradation_level.set(self.level)

    def _log(self, before: int, period: Period) -> None:
        level = logging.WARNING if self.level > before else logging.INFO
        log.log(
            level,
            "faces with half the frame rate: %s, level=%d before=%d late=%d of=%d "
            "busy=%.2f",
            ", ".join(GROUPS[: self.level]) or "none",
            *(self.level, before, period.late, period.frames, period.busy),
        )


class SessionFrameRate:
    """Frame rate of one session, which reports each frame here."""

    def __init__(
        self,
        rates: FrameRates,
        metrics: Metrics,
        now: Callable[[], float],
        parity: int,
    ) -> None:
        self.parity = parity  # see `HalfRate`
        self.group = GROUPS[0]
        self._rates = rates
        self._metrics = metrics
        self._now = now
        self._is_halved = False  # a frame was left out since the level was 0
        self._reported = False  # as halved
        self._reported_s = float("-inf")

    @property
    def halved(self) -> frozenset[str]:
        """Poses with half the frame rate at the moment."""
        return self._rates.halved

    def shown(self, pose: str, late_s: float, skipped: int) -> None:
        """Count a frame that was sent, and those that were skipped before it."""
        self.group = group_of(pose)
        late = skipped + self._rates.is_late(pose, late_s)
        self._rates.count(1 + skipped, late)

    def left_out(self, pose: str, frames: int = 1) -> None:
        """Count frames that were left out on purpose."""
        self.group = group_of(pose)
        self._is_halved = True
        self._metrics.frames_left_out.labels(self.group).inc(frames)
        self._rates.count(0, 0)

    def report(self) -> bool | None:
        """
        Return what to tell the session's client now, None if it is nothing.

        True: its frame rate is halved. False: it is whole again.
        """
        self._is_halved = self._is_halved and self._rates.level > 0
        if self._is_halved == self._reported:
            return None
        if self._is_halved:
            now_s = self._now()
            if now_s - self._reported_s < REPORT_INTERVAL_S:
                return None
            self._reported_s = now_s
        self._reported = self._is_halved
        return self._reported
