"""
What turns speech into a face: the driver seam, and a driver that is signal processing.

A driver is causal and never waits.  With each frame it is given the sound it has not
heard yet: as far as it has arrived, at most 120 ms past the frame's end.  It may use
that future or ignore it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

from renderer.face import INDEX, SIZE
from renderer.features import SAMPLE_RATE, WINDOW, Spectrum, analyse

_KEPT = WINDOW + SAMPLE_RATE * 180 // 1000  # the window may lie so far back
_CURVES = 5  # jaw, spread, round, shut, teeth
_RANGE_DB = 30.0  # from a voice's loudest down to where the mouth is at rest
_PEAK_FALL_DB = 0.15  # a frame
_QUIET_DB = -52.0  # below this nothing is speech
_PACE = torch.tensor((0.75, 0.65, 0.55, 0.9, 0.8))  # share of the way in a frame


@dataclass(frozen=True, slots=True)
class Heard:
    """New sound for one session's next frame."""

    pcm: Tensor  # [n] float32 in -1..1, 24 kHz: what follows the sound heard before
    lead: int  # samples heard by now, past the moment that the face is for


class Driver(Protocol):
    """
    ``begin`` makes the state of one turn; ``drive`` advances a batch of them.

    States are the driver's own; they are changed in place and never shared.
    """

    def begin(self) -> Any: ...

    def drive(self, states: Sequence[Any], heard: Sequence[Heard]) -> Tensor:
        """One state and one `Heard` a session -> faces ``[B, 57]``, head at rest."""
        ...


class WrongFaces(Exception):
    """A driver gave no faces: the text says what it gave, and what is right."""


def drive(driver: Driver, states: Sequence[Any], heard: Sequence[Heard]) -> Tensor:
    """
    What the driver gives, once it is known to be faces: a driver may be anybody's.

    `WrongFaces` otherwise, before anything of it has got into a session.
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
    raise WrongFaces(
        f"{type(driver).__name__}.drive gave {given}; for {len(states)} states it "
        f"must give a tensor {list(right)} of finite numbers"
    )


@dataclass(slots=True)
class Ear:
    """State of `SignalDriver`: recent sound, loudness so far, and the last face."""

    recent: Tensor = field(default_factory=lambda: torch.zeros(_KEPT))
    peak_db: float = -30.0
    curves: Tensor = field(default_factory=lambda: torch.zeros(_CURVES))


class SignalDriver:
    """
    Band energies and formant regions to jaw, lips and teeth.

    Closed lips leave a voice bar and nothing above it; an open jaw raises the first
    formant; spread lips raise the second, rounded ones bury it; teeth hiss.
    """

    def begin(self) -> Ear:
        return Ear()

    def drive(self, states: Sequence[Ear], heard: Sequence[Heard]) -> Tensor:
        windows = torch.stack(
            [_listen(ear, new) for ear, new in zip(states, heard, strict=True)]
        )
        spectrum = analyse(windows)
        for ear, level in zip(states, spectrum.level.tolist(), strict=True):
            ear.peak_db = max(level, ear.peak_db - _PEAK_FALL_DB, -38.0)
        peak = torch.tensor([ear.peak_db for ear in states])
        before = torch.stack([ear.curves for ear in states])
        curves = before + (_curves(spectrum, peak) - before) * _PACE
        for ear, row in zip(states, curves, strict=True):
            ear.curves = row
        return _faces(curves)


def _listen(ear: Ear, new: Heard) -> Tensor:
    """The 40 ms about the frame's middle, or the newest where that has not come yet."""
    ear.recent = torch.cat([ear.recent, new.pcm])[-_KEPT:]
    late = max(0, new.lead - WINDOW // 2)
    stop = _KEPT - min(late, _KEPT - WINDOW)
    return ear.recent[stop - WINDOW : stop]


def _ramp(value: Tensor, zero: float, one: float) -> Tensor:
    return ((value - zero) / (one - zero)).clamp(0, 1)


def _curves(s: Spectrum, peak: Tensor) -> Tensor:
    """``[B, 5]``: jaw, spread, round, shut, teeth, each 0..1."""
    loud = ((s.level - peak + _RANGE_DB) / _RANGE_DB).clamp(0, 1)
    loud = loud * _ramp(s.level, _QUIET_DB, _QUIET_DB + 8)
    hiss = _ramp(s.hiss - torch.maximum(s.first, s.voice), -6, 8) * _ramp(loud, 0, 0.3)
    voiced = (1 - hiss) * _ramp(loud, 0.15, 0.5)
    hum = _ramp(s.first - s.voice, -3, -9) * _ramp(s.second - s.voice, -22, -32)
    shut = torch.maximum(hum * voiced, _ramp(loud, 0.35, 0.1))
    opened = _ramp(s.open_hz, 380, 720)
    jaw = loud.pow(1.2) * (0.25 + 0.75 * opened) * (1 - 0.9 * hiss) * (1 - shut)
    buried = s.second - s.first
    round_ = _ramp(buried, -17, -30) * (1 - 0.6 * opened) * voiced * (1 - shut)
    spread = _ramp(s.front_hz, 1750, 2450) * _ramp(buried, -28, -16)
    spread = spread * (1 - opened) * (1 - round_) * voiced
    return torch.stack([jaw, spread, round_, shut, hiss * (1 - shut)], 1)


_SHAPES: dict[str, tuple[float, ...]] = {  # share of jaw, spread, round, shut, teeth
    "jawOpen": (0.72, 0.05, 0.12, 0.0, 0.04),
    "mouthFunnel": (0.0, 0.0, 0.55, 0.0, 0.15),
    "mouthPucker": (0.0, 0.0, 0.75, 0.0, 0.0),
    "mouthStretchLeft": (0.05, 0.45, 0.0, 0.0, 0.25),
    "mouthStretchRight": (0.05, 0.45, 0.0, 0.0, 0.25),
    "mouthSmileLeft": (0.0, 0.35, 0.0, 0.0, 0.0),
    "mouthSmileRight": (0.0, 0.35, 0.0, 0.0, 0.0),
    "mouthLowerDownLeft": (0.30, 0.30, 0.0, 0.0, 0.45),
    "mouthLowerDownRight": (0.30, 0.30, 0.0, 0.0, 0.45),
    "mouthUpperUpLeft": (0.20, 0.25, 0.0, 0.0, 0.40),
    "mouthUpperUpRight": (0.20, 0.25, 0.0, 0.0, 0.40),
    "mouthPressLeft": (0.0, 0.0, 0.0, 0.35, 0.0),
    "mouthPressRight": (0.0, 0.0, 0.0, 0.35, 0.0),
}


@cache
def _mixing() -> Tensor:
    mixing = torch.zeros(_CURVES, SIZE)
    for name, shares in _SHAPES.items():
        mixing[:, INDEX[name]] = torch.tensor(shares)
    return mixing


def _faces(curves: Tensor) -> Tensor:
    return (curves @ _mixing()).clamp(0, 1)
