"""Systems under test: streamed drivers, a loudness baseline, and an oracle."""

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
from training.evaluation.reference import reference_track

FPS = Fraction(25)
_LOUD_DB, _SOFT_DB = -18.0, -50.0  # levels at which the jaw is wide open, and at rest
_FRAME = 960  # samples, 40 ms at 24 kHz


class System(Protocol):
    """System that makes faces from speech."""

    @property
    def name(self) -> str: ...

    def animate(self, clip: Clip) -> Track:
        """Return a face for every frame of the clip."""
        ...


@dataclass(frozen=True, slots=True)
class Streamed:
    """Driver that gets the audio frame by frame, with a fixed look-ahead."""

    name: str
    driver: Driver
    lookahead_ms: int

    def animate(self, clip: Clip) -> Track:
        faces = drive_speech(self.driver, clip.speech, FPS, self.lookahead_ms)
        return Track(float(FPS), first_face_s(FPS), faces)


@dataclass(frozen=True, slots=True)
class Oracle:
    """Reference lips from the true phones: the upper bound of the measures."""

    name: str = "oracle (the reference)"

    def animate(self, clip: Clip) -> Track:
        return reference_track(clip)


class Loudness:
    """Baseline driver: only the jaw moves, and follows the loudness of the frame."""

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
