"""
Driver interface: a driver turns the audio of a turn into faces.

A driver is causal and never waits. With each frame it gets the audio that has arrived
since the frame before, at most 120 ms past the frame's end. It may use that look-ahead
or ignore it.
"""

import contextlib
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from renderer.face import SIZE
from renderer.frames import Phone
from renderer.tensors import is_tensor, to_array

if TYPE_CHECKING:
    from torch import Tensor

Floats = npt.NDArray[np.float32]
Faces: TypeAlias = "Tensor | Floats"


class AudioChunk:
    """New audio of one turn, given to the driver with one frame."""

    __slots__ = ("given", "lookahead_samples", "phones")

    def __init__(
        self, pcm: Faces, lookahead_samples: int, phones: Sequence[Phone] = ()
    ) -> None:
        """Take the samples ``[n]`` of `pcm`, a tensor or a numpy array."""
        self.given = pcm
        # Samples of the turn up to the end of `pcm`, past the moment that the face is
        # for. Negative if the audio of that moment has not arrived.
        self.lookahead_samples = lookahead_samples
        # Phones of the turn that came with it, in order of time, for a driver that can
        # use them. Their audio may come later.
        self.phones = phones

    @property
    def pcm(self) -> "Tensor":
        """
        Samples ``[n]``: float32 in -1..1, 24 kHz, which continue the chunk before.

        It imports torch; `samples` does not.
        """
        from torch import as_tensor

        return as_tensor(self.given)

    @property
    def samples(self) -> Floats:
        """Samples of `pcm` as a float32 array."""
        return to_array(self.given)


class Driver(Protocol):
    """
    Interface of a driver: ``begin`` makes the state of one turn, ``drive`` advances it.

    The type of the state is the driver's own. ``drive`` may change states in place;
    turns do not share one.
    """

    def begin(self) -> Any:
        """Return the state of a new turn."""
        ...

    def drive(self, states: Sequence[Any], chunks: Sequence[AudioChunk]) -> Faces:
        """
        Return one face for each state and its chunk: ``[B, 57]``, the head at rest.

        The result is a tensor or a numpy array. It runs on the render thread, once
        for each pass: all speaking sessions wait for it.
        """
        ...


class InvalidFaces(Exception):
    """The result of a driver is not a batch of faces. The text says what it must be."""


def begin(driver: Driver) -> Any:
    """Return the state of ``driver.begin``. Torch records no gradients meanwhile."""
    with _without_gradients():
        return driver.begin()


def drive(
    driver: Driver, states: Sequence[Any], chunks: Sequence[AudioChunk]
) -> Floats:
    """
    Return a copy of the faces of ``driver.drive``, checked: it may be a user's own.

    Torch records no gradients meanwhile. Raises `InvalidFaces` before any of a wrong
    result reaches a session.
    """
    with _without_gradients():
        faces: Any = driver.drive(states, chunks)
    shape = (len(states), SIZE)
    is_array = isinstance(faces, np.ndarray) and faces.dtype.kind in "biuf"
    if not is_array and not is_tensor(faces):
        problem = f"{type(faces).__name__}, no tensor and no array of numbers"
    elif tuple(faces.shape) != shape:
        problem = f"{'an array' if is_array else 'a tensor'} {list(faces.shape)}"
    # One sum is enough and takes microseconds.
    elif not math.isfinite((array := to_array(faces)).sum()):
        problem = "NaN or infinity"
    else:
        return array.copy()  # the driver may write its next faces into its own array
    raise InvalidFaces(
        f"{type(driver).__name__}.drive returned {problem}; for {len(states)} states "
        f"it must return a tensor or an array {list(shape)} of finite numbers"
    )


def _without_gradients() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which torch, if the driver uses it, records no gradients."""
    # A module that another thread is importing lacks its names.
    inference_mode = getattr(sys.modules.get("torch"), "inference_mode", None)
    return contextlib.nullcontext() if inference_mode is None else inference_mode()
