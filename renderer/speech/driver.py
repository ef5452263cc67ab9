"""
What turns speech into a face: the driver seam.

A driver is causal and never waits.  With each frame it is given the sound it has not
heard yet: as far as it has arrived, at most 120 ms past the frame's end.  It may use
that future or ignore it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from renderer.face import SIZE


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """New sound for one session's next frame."""

    pcm: Tensor  # [n] float32 in -1..1, 24 kHz: what follows the sound heard before
    lead: int  # samples heard by now, past the moment that the face is for


class Driver(Protocol):
    """
    ``begin`` makes the state of one turn; ``drive`` advances a batch of them.

    States are the driver's own; they are changed in place and never shared.
    """

    def begin(self) -> Any: ...

    def drive(self, states: Sequence[Any], heard: Sequence[AudioChunk]) -> Tensor:
        """Return faces ``[B, 57]`` of one state and one chunk each, head at rest."""
        ...


class InvalidFaces(Exception):
    """A driver gave no faces: the text says what it gave, and what is right."""


def drive(driver: Driver, states: Sequence[Any], heard: Sequence[AudioChunk]) -> Tensor:
    """
    What the driver gives, once it is known to be faces: a driver may be anybody's.

    `InvalidFaces` otherwise, before anything of it has got into a session.
    """
    faces: object = driver.drive(states, heard)
    right = (len(states), SIZE)
    if not isinstance(faces, Tensor):
        given = f"{type(faces).__name__}, no tensor"
    elif faces.shape != right:
        given = f"a tensor {list(faces.shape)}"
    elif not math.isfinite(faces.sum()):  # one look at all of them, microseconds
        given = "NaN or infinity"
    else:
        return faces
    raise InvalidFaces(
        f"{type(driver).__name__}.drive gave {given}; for {len(states)} states it "
        f"must give a tensor {list(right)} of finite numbers"
    )
