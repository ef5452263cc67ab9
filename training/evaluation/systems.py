"""Who moves the lips: a driver fed as in a room, loudness alone, or the reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import torch
from torch import Tensor

from lite_gateway.cli.face import drive_speech, first_face_s
from renderer.face import INDEX, SIZE
from renderer.speech.driver import AudioChunk, Driver
from training.evaluation.clips import Clip
from training.evaluation.grid import Track
from training.evaluation.reference import cheat

FPS = Fraction(25)
_LOUD_DB, _SOFT_DB = -18.0, -50.0  # where the jaw is wide open, and where it rests
_FRAME = 960  # samples, 40 ms at 24 kHz


class System(Protocol):
    @property
    def name(self) -> str: ...

    def perform(self, clip: Clip) -> Track:
        """The face for every frame of the clip."""
        ...


@dataclass(frozen=True, slots=True)
class Streamed:
    """A driver with so much sound past the moment of each face."""

    name: str
    driver: Driver
    lookahead_ms: int

    def perform(self, clip: Clip) -> Track:
        faces = drive_speech(self.driver, clip.speech, FPS, self.lookahead_ms)
        return Track(float(FPS), first_face_s(FPS), faces.numpy())


@dataclass(frozen=True, slots=True)
class Oracle:
    """Knows the phones: what the measures give at most."""

    name: str = "cheat (the reference)"

    def perform(self, clip: Clip) -> Track:
        return cheat(clip)


class Loudness:
    """A driver whose jaw is the loudness of the frame: the least that moves."""

    def begin(self) -> list[Tensor]:
        return [torch.zeros(4 * _FRAME)]

    def drive(
        self, states: Sequence[list[Tensor]], chunks: Sequence[AudioChunk]
    ) -> Tensor:
        faces = torch.zeros(len(states), SIZE)
        for state, new, face in zip(states, chunks, faces, strict=True):
            state[0] = torch.cat([state[0], new.pcm])[-4 * _FRAME :]
            late = min(max(0, new.lookahead_samples - _FRAME // 2), 3 * _FRAME)
            frame = state[0][len(state[0]) - late - _FRAME : len(state[0]) - late]
            level_db = 10 * torch.log10(frame.square().mean() + 1e-9)
            opened = (level_db - _SOFT_DB) / (_LOUD_DB - _SOFT_DB)
            face[INDEX["jawOpen"]] = opened.clamp(0, 1)
        return faces
