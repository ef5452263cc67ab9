"""What speech sounds like right now: levels and spectral shape of a short window."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

SAMPLE_RATE = 24_000
WINDOW = 960  # samples, 40 ms
_FFT = 1024
_FLOOR = 1e-9  # power; -90 dB of full scale


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Of a batch of windows; every field ``[B]``, powers in dB of full scale."""

    level: Tensor  # the whole window
    voice: Tensor  # 80..350 Hz: the voice bar, all that is left through closed lips
    first: Tensor  # 250..1000 Hz: around the first formant
    second: Tensor  # 1500..3500 Hz: around the second and third
    hiss: Tensor  # above 4 kHz
    open_hz: Tensor  # centre of the 250..1000 Hz band: rises as the jaw opens
    front_hz: Tensor  # centre of the 900..3000 Hz band: rises as the lips spread


def analyse(windows: Tensor) -> Spectrum:
    """``[B, WINDOW]`` float32 in -1..1 -> `Spectrum`."""
    shaped = windows * _hann(windows.device)
    power = torch.fft.rfft(shaped, _FFT).abs().square() / (WINDOW * _FFT / 8)
    hz = _frequencies(windows.device)
    return Spectrum(
        level=_db(windows.square().mean(1)),
        voice=_band(power, hz, 80, 350),
        first=_band(power, hz, 250, 1000),
        second=_band(power, hz, 1500, 3500),
        hiss=_band(power, hz, 4000, 12000),
        open_hz=_centre(power, hz, 250, 1000),
        front_hz=_centre(power * hz, hz, 900, 3000),
    )


@cache
def _hann(device: torch.device) -> Tensor:
    return torch.hann_window(WINDOW, device=device)


@cache
def _frequencies(device: torch.device) -> Tensor:
    frequencies: Tensor = torch.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE, device=device)
    return frequencies


def _db(power: Tensor) -> Tensor:
    return 10 * torch.log10(power + _FLOOR)


def _band(power: Tensor, hz: Tensor, low: float, high: float) -> Tensor:
    inside = (hz >= low) & (hz < high)
    return _db(power[:, inside].sum(1))


def _centre(power: Tensor, hz: Tensor, low: float, high: float) -> Tensor:
    inside = (hz >= low) & (hz < high)
    weight = power[:, inside] + 1e-12
    return (weight * hz[inside]).sum(1) / weight.sum(1)
