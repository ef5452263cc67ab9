"""Log-mel spectra of speech. A frame uses no sample after its own end."""

from functools import cache

import torch
from torch import Tensor

from renderer.frames import SAMPLE_RATE

HOP = 240  # samples between frames: 10 ms
WINDOW = 600  # 25 ms, ending at the frame
BANDS = 48
FFT = 768
_LOW_HZ, _HIGH_HZ = 60.0, 7600.0  # the band of 16 kHz audio
FLOOR = 1e-9  # power; an F at a usual speech level is well above it
SCALE = 0.25  # of the natural logarithm of power: speech then spans about -4 .. 1


def log_mel(pcm: Tensor, gain: Tensor | None = None) -> Tensor:
    """
    Return the spectra ``[B, n, BANDS]`` of ``[B, WINDOW - HOP + HOP * n]`` samples.

    ``pcm`` is float32 in -1..1 at 24 kHz. Frame i uses the samples up to
    ``WINDOW + HOP * i``. Its power is multiplied by ``gain`` ``[B, n]``.
    """
    windows = pcm.unfold(1, WINDOW, HOP) * hann(pcm.device)
    power = torch.fft.rfft(windows, FFT).abs().square()
    bands = power @ filters(pcm.device)
    if gain is not None:
        bands = bands * gain[..., None]
    mel: Tensor = (bands + FLOOR).log() * SCALE
    return mel


SILENCE = SCALE * float(torch.tensor(FLOOR).log())  # log-mel of digital silence


@cache
def hann(device: torch.device) -> Tensor:
    return torch.hann_window(WINDOW, device=device) / WINDOW


@cache
def filters(device: torch.device) -> Tensor:
    """Return ``[FFT // 2 + 1, BANDS]``: triangles of equal area, even in mel."""
    low, high = _mel(torch.tensor(_LOW_HZ)), _mel(torch.tensor(_HIGH_HZ))
    mels = torch.linspace(float(low), float(high), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    hz = torch.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)[:, None]
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    filters = torch.minimum(rising, falling).clamp(min=0)
    return (filters / filters.sum(0).clamp(min=1e-6)).to(device)


def _mel(hz: Tensor) -> Tensor:
    return 2595 * torch.log10(1 + hz / 700)
