"""Evidence of the scenario ``conversation``: moments of one session."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.probe.listening import Recording
from bench.talks.person import Said
from lite_gateway.playout.trace import Event


def _nothing() -> Recording:
    none = np.zeros(0)
    return Recording(np.zeros((0, 4)), none, none, none, none, 0.0)


@dataclass(slots=True)
class Evidence:
    """Moments of one session, as `time.monotonic`, in the order of what happened."""

    turns: list[Said] = field(default_factory=list)  # that were to be answered
    voices: list[Said] = field(default_factory=list)  # that interrupted the avatar
    interrupts: list[float] = field(default_factory=list)  # avatar.interrupt was sent
    pushes: list[float] = field(default_factory=list)  # user.start_push_to_talk
    events: list[dict[str, Any]] = field(default_factory=list)  # of the data channel
    trace: list[Event] = field(default_factory=list)
    heard: Recording = field(default_factory=_nothing)
    processor: list[float] = field(default_factory=list)  # of a core, a turn, in %
    missed: int = 0  # events that did not come
