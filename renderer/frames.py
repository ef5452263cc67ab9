"""Data types between a session and the renderer: frame requests in, I420 frames out."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 24_000  # Hz, of all audio
POSES = ("idle", "listening", "talking", "thinking")


class Phone(NamedTuple):
    """One phoneme of speech, with its times from the start of the turn."""

    phoneme: str  # one of `renderer.speech.phonemes.PHONEMES`
    start_s: float
    end_s: float
    stress: int | None = None  # 1, 0, or None if unknown


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """Request of one session for one frame."""

    index: int  # of the frame, counted through the whole session
    at_s: float  # when the frame is due, in session time
    pose: str  # one of POSES
    turn: int = 0  # number of the turn being spoken, 0 for none
    pcm: bytes = b""  # s16le, 24 kHz: audio of the turn that no earlier request had
    # Audio that the driver has after `pcm`, past the moment that the face is for.
    # Negative if the audio of that moment has not arrived.
    lookahead_samples: int = 0
    level: float = 0.0  # loudness of the frame's own audio, 0..1
    emotion: str = "neutral"  # a key of `renderer.life.expressions.EMOTION_WEIGHTS`
    phones: tuple[Phone, ...] = ()  # of the turn, that no earlier request had


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One frame in I420: Y plane, then U, then V, rows without padding."""

    width: int
    height: int
    i420: npt.NDArray[np.uint8]  # [width * height * 3 // 2]
