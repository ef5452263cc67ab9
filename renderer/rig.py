"""Drawer of one avatar at one size: faces in, I420 frames out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


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

    def draw(self, faces: Tensor, rig_inputs: Sequence[RigInput]) -> Tensor:
        """
        Draw a batch: ``faces`` ``[B, 57]`` float32 -> I420 ``[B, W*H*3//2]`` uint8.

        ``rig_inputs`` has one entry a face. Drawing is deterministic: the same face
        and input give the same pixels.
        """
        ...
