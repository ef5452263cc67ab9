"""Log-mel spectra of speech. A frame uses no sample after its own end."""

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from renderer.frames import SAMPLE_RATE

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Floats = npt.NDArray[np.float32]

HOP = 240  # samples between frames: 10 ms
WINDOW = 600  # 25 ms, ending at the frame
BANDS = 48
FFT = 768
_LOW_HZ, _HIGH_HZ = 60.0, 7600.0  # the band of 16 kHz audio
FLOOR = 1e-9  # power; an F at a usual speech level is well above it
SCALE = 0.25  # of the natural logarithm of power: speech then spans about -4 .. 1
SILENCE = SCALE * math.log(FLOOR)  # log-mel of digital silence


def log_mel(pcm: "Tensor", gain: "Tensor | None" = None) -> "Tensor":
    """
    Return the spectra ``[B, n, BANDS]`` of ``[B, WINDOW - HOP + HOP * n]`` samples.

    ``pcm`` is float32 in -1..1 at 24 kHz. Frame i uses the samples up to
    ``WINDOW + HOP * i``. Its power is multiplied by ``gain`` ``[B, n]``.
    """
    import torch  # native code uses the rest of this module without it

    window, bands = _tensors(pcm.device)
    power = torch.fft.rfft(pcm.unfold(1, WINDOW, HOP) * window, FFT).abs().square()
    mel = power @ bands
    if gain is not None:
        mel = mel * gain[..., None]
    scaled: Tensor = (mel + FLOOR).log() * SCALE
    return scaled


@cache
def _tensors(device: "torch.device") -> "tuple[Tensor, Tensor]":
    """Return window and filters on a device."""
    import torch

    window, bands = (torch.from_numpy(array) for array in (hann(), filters()))
    return window.to(device), bands.to(device)


@cache
def hann() -> Floats:
    """Return the window ``[WINDOW]``, divided by its length."""
    turns = np.arange(WINDOW) / WINDOW
    window = (0.5 - 0.5 * np.cos(2 * np.pi * turns)) / WINDOW
    return window.astype(np.float32)


@cache
def filters() -> Floats:
    """Return ``[FFT // 2 + 1, BANDS]``: triangles of equal area, even in mel."""
    mels = np.linspace(_mel(_LOW_HZ), _mel(_HIGH_HZ), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    hz = np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)[:, None]
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    triangles = np.minimum(rising, falling).clip(min=0)
    even: Floats = (triangles / triangles.sum(0).clip(min=1e-6)).astype(np.float32)
    return even


def _mel(hz: float) -> float:
    return 2595 * math.log10(1 + hz / 700)
