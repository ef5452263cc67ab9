"""Synthetic vowels that the lip-sync network takes for speech."""

import numpy as np
import torch

RATE = 24_000
AA = (750, 1150, 2500, 3500, 4500)  # formants, Hz
EE = (290, 2300, 3000, 3600, 4500)
OO = (310, 750, 2300, 3400, 4500)


def vowel(formants, seconds: float = 0.35):
    """
    Return a vowel between two pauses, float32 at 24 kHz.

    The source is a train of irregular pulses with falling pitch and some noise; the
    formants filter it one after the other.
    """
    rng, length = np.random.default_rng(0), round(seconds * RATE)
    t = np.arange(length) / length
    knots = rng.normal(0, 0.03, round(seconds * 60))
    unsteady = 1 + np.interp(t, np.linspace(0, 1, len(knots)), knots)
    phase = np.cumsum(115 * (1.1 - 0.25 * t) * unsteady / RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    pulses *= 1 + 0.1 * rng.standard_normal(length)
    source = np.convolve(pulses, np.exp(-np.arange(60) / 8))[:length]
    source = np.diff(source, prepend=0.0) + 0.1 * rng.standard_normal(length)
    hz, spectrum = np.fft.rfftfreq(length, 1 / RATE), np.fft.rfft(source)
    for formant in formants:
        width = 25 + 0.025 * formant
        spectrum *= formant**2 / (
            np.hypot(hz - formant, width) * np.hypot(hz + formant, width)
        )
    voice = np.fft.irfft(spectrum, length) * np.sin(np.pi * t) ** 0.5
    pause = np.zeros(round(0.15 * RATE))
    pcm = np.concatenate([pause, 0.4 * voice / np.abs(voice).max(), pause])
    pcm += 1e-4 * rng.standard_normal(len(pcm))
    return torch.from_numpy(pcm).float()
