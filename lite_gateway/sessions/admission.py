"""Admission of sessions: a fixed number, or as many as the machine carries."""

from collections.abc import Callable, Sequence
from typing import Protocol

from lite_gateway.sessions.capacity import Capacity
from lite_gateway.sessions.session_config import SessionConfig

_TOLERANCE = 1e-9  # of shares that are added


class Admission(Protocol):
    """Rule that decides whether one more session may start."""

    @property
    def sessions(self) -> int:
        """Sessions that may run at once."""
        ...

    def free(self, running: Sequence[SessionConfig]) -> int:
        """Return how many more sessions could start now."""
        ...

    def refusal(
        self, running: Sequence[SessionConfig], config: SessionConfig | None = None
    ) -> str | None:
        """
        Return why a session cannot start beside ``running``, and what to do; or None.

        Without ``config`` it is one of the size that `sessions` counts.
        """
        ...


class FixedSlots:
    """Admission of a number of sessions that the operator has set."""

    def __init__(self, sessions: int) -> None:
        self.sessions = sessions

    def free(self, running: Sequence[SessionConfig]) -> int:
        """Return how many more sessions could start now."""
        return max(0, self.sessions - len(running))

    def refusal(
        self, running: Sequence[SessionConfig], config: SessionConfig | None = None
    ) -> str | None:
        """Return why a session cannot start, see `Admission`."""
        if self.free(running):
            return None
        return (
            f"all {self.sessions} session slots are in use; "
            "stop a session or try again later"
        )


class MeasuredSlots:
    """
    Admission by the measured capacity of the machine.

    One session is always admitted. While frames are late (``is_late``) no further one
    is, whatever was measured: other programs may use the machine now.
    """

    def __init__(self, capacity: Capacity, is_late: Callable[[], bool]) -> None:
        self._capacity = capacity
        self._is_late = is_late

    @property
    def sessions(self) -> int:
        """Sessions of the measured size that may run at once."""
        return self._capacity.sessions

    def free(self, running: Sequence[SessionConfig]) -> int:
        """Return how many more sessions of the measured size could start now."""
        if not running:
            return self.sessions
        if self._is_late() or not self._capacity.measured:
            return 0
        return max(0, int(self._left(running) / self._capacity.unit_share + _TOLERANCE))

    def refusal(
        self, running: Sequence[SessionConfig], config: SessionConfig | None = None
    ) -> str | None:
        """Return why a session cannot start, see `Admission`."""
        if not running:
            return None
        capacity = self._capacity
        if not capacity.measured:
            return "the capacity of this machine is being measured; try again in 5 s"
        share = capacity.unit_share if config is None else capacity.share(config)
        run = f"{len(running)} sessions run here"
        if len(running) == 1:
            run = "1 session runs here"
        if self._is_late():
            problem = f"{run}, and this machine is late with their frames"
        elif share > self._left(running) + _TOLERANCE:
            carries = f"about {self.sessions} of {capacity.unit}"
            problem = f"{run}, and this machine was measured to carry {carries}"
        else:
            return None
        return (
            f"{problem}; stop a session, try again later, ask for a smaller quality, "
            "or use another machine (its operator overrules this with --max-sessions)"
        )

    def _left(self, running: Sequence[SessionConfig]) -> float:
        """Return the share of the machine that no session takes."""
        return 1 - sum(map(self._capacity.share, running))
