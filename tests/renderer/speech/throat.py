"""Vowels that a driver which hears words takes for a voice."""

import numpy as np
import torch

RATE = 24_000
AA = (750, 1150, 2500, 3500, 4500)  # resonances of a throat, Hz
EE = (290, 2300, 3000, 3600, 4500)
OO = (310, 750, 2300, 3400, 4500)


def vowel(formants, seconds: float = 0.35):
    """
    A vowel between two pauses, as throats make it: pulses of a falling pitch, no two of
    them alike, and some breath, through resonances one after the other.
    """
    chance, length = np.random.default_rng(0), round(seconds * RATE)
    t = np.arange(length) / length
    knots = chance.normal(0, 0.03, round(seconds * 60))
    unsteady = 1 + np.interp(t, np.linspace(0, 1, len(knots)), knots)
    phase = np.cumsum(115 * (1.1 - 0.25 * t) * unsteady / RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    pulses *= 1 + 0.1 * chance.standard_normal(length)
    source = np.convolve(pulses, np.exp(-np.arange(60) / 8))[:length]
    source = np.diff(source, prepend=0.0) + 0.1 * chance.standard_normal(length)
    hz, spectrum = np.fft.rfftfreq(length, 1 / RATE), np.fft.rfft(source)
    for formant in formants:
        width = 25 + 0.025 * formant
        spectrum *= formant**2 / (
            np.hypot(hz - formant, width) * np.hypot(hz + formant, width)
        )
    voice = np.fft.irfft(spectrum, length) * np.sin(np.pi * t) ** 0.5
    pause = np.zeros(round(0.15 * RATE))
    heard = np.concatenate([pause, 0.4 * voice / np.abs(voice).max(), pause])
    heard += 1e-4 * chance.standard_normal(len(heard))
    return torch.from_numpy(heard).float()
