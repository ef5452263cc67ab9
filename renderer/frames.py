"""What a rig is asked for and what it gives: cues in, I420 pictures out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

SAMPLE_RATE = 24_000  # of all sound, Hz
POSES = ("idle", "listening", "talking", "thinking")


@dataclass(frozen=True, slots=True)
class RigInput:
    """What a frame is besides its face."""

    index: int  # of the frame, counted through the whole session
    turn: int  # number of the turn being spoken, 0 for none
    at_s: float  # when the frame is due, in the session's own time
    level: float  # loudness of the frame's sound, 0..1


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """What one frame of one session shows, as far as its session knows."""

    index: int
    at_s: float
    pose: str  # of POSES
    turn: int = 0  # number of the turn being spoken, 0 for none
    pcm: bytes = b""  # s16le, 24 kHz: what the driver has not heard of the turn yet
    lead: int = 0  # samples heard with this shot past the moment that the face is for
    level: float = 0.0  # loudness of the frame's own sound, 0..1
    emotion: str = "neutral"  # of `renderer.life.expressions.EMOTIONS`


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One frame in I420: Y plane, then U, then V, rows without padding."""

    width: int
    height: int
    i420: npt.NDArray[np.uint8]  # [width * height * 3 // 2]


class Rig(Protocol):
    """Draws one avatar at one size. Sizes are even."""

    width: int
    height: int

    def draw(self, faces: Tensor, cues: Sequence[RigInput]) -> Tensor:
        """
        ``faces`` ``[B, 57]`` float32 and one cue each -> I420 ``[B, W*H*3//2]`` uint8.

        Deterministic: the same face and cue give the same pixels.
        """
        ...
