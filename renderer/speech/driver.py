"""
Driver interface: a driver turns the audio of a turn into faces.

A driver is causal and never waits. With each frame it gets the audio that has arrived
since the frame before, at most 120 ms past the frame's end. It may use that look-ahead
or ignore it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from renderer.face import SIZE


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """New audio of one turn, given to the driver with one frame."""

    pcm: Tensor  # [n] float32 in -1..1, 24 kHz; continues the chunk before it
    # Samples of the turn up to the end of `pcm`, past the moment that the face is for.
    # Negative if the audio of that moment has not arrived.
    lookahead_samples: int


class Driver(Protocol):
    """
    Interface of a driver: ``begin`` makes the state of one turn, ``drive`` advances it.

    The type of the state is the driver's own. ``drive`` may change states in place;
    turns do not share one.
    """

    def begin(self) -> Any:
        """Return the state of a new turn."""
        ...

    def drive(self, states: Sequence[Any], chunks: Sequence[AudioChunk]) -> Tensor:
        """
        Return one face for each state and its chunk: ``[B, 57]``, the head at rest.

        It runs on the render thread, once for each pass: all speaking sessions wait
        for it.
        """
        ...


class InvalidFaces(Exception):
    """The result of a driver is not a batch of faces. The text says what it must be."""


def drive(
    driver: Driver, states: Sequence[Any], chunks: Sequence[AudioChunk]
) -> Tensor:
    """
    Call ``driver.drive`` and check its result, because a driver may be a user's own.

    Raises `InvalidFaces` before any of a wrong result reaches a session.
    """
    faces: object = driver.drive(states, chunks)
    shape = (len(states), SIZE)
    if not isinstance(faces, Tensor):
        problem = f"{type(faces).__name__}, no tensor"
    elif faces.shape != shape:
        problem = f"a tensor {list(faces.shape)}"
    elif not math.isfinite(faces.sum()):  # one sum is enough and takes microseconds
        problem = "NaN or infinity"
    else:
        return faces
    raise InvalidFaces(
        f"{type(driver).__name__}.drive returned {problem}; for {len(states)} states "
        f"it must return a tensor {list(shape)} of finite numbers"
    )
