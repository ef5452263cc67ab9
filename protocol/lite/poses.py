"""
Poses of the agent, and the table that decides them.

`NEXT_POSE` has an entry for every pair of state and cause.
"""

from enum import Enum


class PoseState(Enum):
    """Pose of the agent, and for a talking agent also the pose that follows."""

    IDLE = "idle"
    LISTENING = "listening"
    TALKING = "talking, then idle"
    LISTENING_NEXT = "talking, then listening"

    @property
    def pose(self) -> str:
        """Return the pose's name on the wire: idle, listening or talking."""
        return self.value.partition(",")[0]


class PoseCause(Enum):
    """Cause of a change of `PoseState`."""

    START_LISTENING = "start_listening"
    STOP_LISTENING = "stop_listening"
    STARTED = "a turn started"
    OVER = "a turn that had started is over"


NEXT_POSE: dict[tuple[PoseState, PoseCause], PoseState] = {
    (PoseState.IDLE, PoseCause.START_LISTENING): PoseState.LISTENING,
    (PoseState.IDLE, PoseCause.STOP_LISTENING): PoseState.IDLE,
    (PoseState.IDLE, PoseCause.STARTED): PoseState.TALKING,
    (PoseState.IDLE, PoseCause.OVER): PoseState.IDLE,
    (PoseState.LISTENING, PoseCause.START_LISTENING): PoseState.LISTENING,
    (PoseState.LISTENING, PoseCause.STOP_LISTENING): PoseState.IDLE,
    (PoseState.LISTENING, PoseCause.STARTED): PoseState.LISTENING_NEXT,
    (PoseState.LISTENING, PoseCause.OVER): PoseState.LISTENING,
    (PoseState.TALKING, PoseCause.START_LISTENING): PoseState.LISTENING_NEXT,
    (PoseState.TALKING, PoseCause.STOP_LISTENING): PoseState.TALKING,
    (PoseState.TALKING, PoseCause.STARTED): PoseState.TALKING,
    (PoseState.TALKING, PoseCause.OVER): PoseState.IDLE,
    (PoseState.LISTENING_NEXT, PoseCause.START_LISTENING): PoseState.LISTENING_NEXT,
    (PoseState.LISTENING_NEXT, PoseCause.STOP_LISTENING): PoseState.TALKING,
    (PoseState.LISTENING_NEXT, PoseCause.STARTED): PoseState.LISTENING_NEXT,
    (PoseState.LISTENING_NEXT, PoseCause.OVER): PoseState.LISTENING,
}
