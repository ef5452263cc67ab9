"""Drawer of one avatar at one size: faces in, I420 frames out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RigInput:
    """Input of a rig for one frame, besides the face."""

    index: int  # of the frame, counted through the whole session
    turn: int  # number of the turn being spoken, 0 for none
    at_s: float  # when the frame is due, in session time
    level: float  # loudness of the frame's audio, 0..1


class Rig(Protocol):
    """Renderer of one avatar at one size. Width and height are even."""

    width: int
    height: int

    @overload
    def draw(self, faces: "Tensor", rig_inputs: Sequence[RigInput]) -> "Tensor": ...
    @overload
    def draw(self, faces: Floats, rig_inputs: Sequence[RigInput]) -> Bytes: ...
    def draw(self, faces: Any, rig_inputs: Sequence[RigInput]) -> Any:
        """
        Draw a batch: ``faces`` ``[B, 57]`` float32 -> I420 ``[B, W*H*3//2]`` uint8.

        A tensor on the rig's device gives a tensor there, and a numpy array an array.
        ``rig_inputs`` has one entry a face. Drawing is deterministic: the same face
        and input give the same pixels.
        """
        ...
