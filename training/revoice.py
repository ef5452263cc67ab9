"""
Other people's voices from one synthesiser: its spectral envelope, a new source.

A vocoder of the simplest kind: the smooth envelope of each short-time spectrum is kept
(and stretched, which is another vocal tract) and sounded by pulses of another pitch or
by noise.  It makes singers, shouters and whisperers of voices that cannot be any.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.frames import SAMPLE_RATE
from training.sounds import VOWELS, Phone

Array = npt.NDArray[Any]

_WINDOW, _HOP = 768, 192  # 32 and 8 ms
_SMOOTH = 40  # quefrencies kept, in samples: envelopes of voices up to 600 Hz
_VOICED = VOWELS | {"W", "B", "M", "V", "D", "N", "L", "R", "Y"}
_HELD = 0.3  # of the vowels, where some are
_LONGEST_S = 1.5
_MIXED_HZ = 4500.0  # above it even a clear voice is noisy


@dataclass(frozen=True, slots=True)
class Source:
    """What sounds the envelope."""

    pitch_hz: float  # 0 whispers
    wander: float  # of the pitch, in octaves
    notes: bool = False  # sung: the pitch stays on notes, with vibrato
    tract: float = 1.0  # above 1 a longer one: formants fall
    tilt_db: float = 0.0  # at 8 kHz: shouting lifts, sleepiness lowers
    breath: float = 0.02  # noise in the voice, as a part of it


def revoice(
    voice: Array, phones: Sequence[Phone], source: Source, chance: np.random.Generator
) -> Array:
    """``[n]`` of 24 kHz -> ``[n]``, the same words from another mouth."""
    sound = _sounded(phones, len(voice), source, chance)
    made = _shaped(sound, _envelope(voice, source.tract), source)
    return _as_loud(made, voice)


def drawn_out(
    voice: Array, phones: Sequence[Phone], source: Source, chance: np.random.Generator
) -> tuple[Array, list[Phone], Array]:
    """
    The same, with some vowels held as singers and those who hesitate hold them.

    Sound ``[m]``, its phones, and for each of its samples the place in ``voice``.
    """
    held, ends_s, at_s = [], [0.0], 0.0
    for phone in phones:
        length_s = phone.end_s - phone.start_s
        if phone.sound in VOWELS and chance.random() < _HELD:
            length_s = min(length_s * chance.uniform(2, 10), max(length_s, _LONGEST_S))
        held.append(Phone(phone.sound, at_s, at_s + length_s, phone.stress))
        at_s += length_s
        ends_s.append(at_s)
    begun_s = [0.0, *(phone.end_s for phone in phones)]
    length = round(at_s * SAMPLE_RATE)
    at = np.interp(np.arange(length) / SAMPLE_RATE, ends_s, begun_s) * SAMPLE_RATE
    envelope = _envelope(voice, source.tract)
    sound = _sounded(held, length, source, chance)
    frames = np.arange(0, length + _WINDOW + 1, _HOP)  # as `_frames` cuts them
    rows = np.interp(frames, np.arange(length), at) / _HOP
    envelope = envelope[rows.round().astype(int).clip(0, len(envelope) - 1)]
    return _as_loud(_shaped(sound, envelope, source), voice), held, at


def _as_loud(made: Array, voice: Array) -> Array:
    peak = float(np.abs(made).max()) + 1e-9
    loudest = float(np.abs(voice).max())
    return (made * loudest / peak).astype(np.float32)


def _sounded(
    phones: Sequence[Phone], length: int, source: Source, chance: np.random.Generator
) -> Array:
    """What comes from the throat: pulses and breath."""
    voiced = _voicing(phones, length) * (source.pitch_hz > 0)
    pitch = _pitch(source, length, chance)
    phase = np.cumsum(pitch / SAMPLE_RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    pulses *= np.sqrt(SAMPLE_RATE / np.maximum(pitch, 1.0))
    noise = chance.standard_normal(length)
    bright = _above(noise, _MIXED_HZ)
    sound = voiced * (pulses + 0.35 * bright + source.breath * 4 * noise)
    return sound + (1 - voiced) * noise


def _voicing(phones: Sequence[Phone], length: int) -> Array:
    voiced = np.zeros(length)
    for sound, start, end, _ in phones:
        if sound in _VOICED:
            voiced[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = 1.0
    edge = np.hanning(240)
    smooth: Array = np.convolve(voiced, edge / edge.sum(), "same")
    return smooth


def _pitch(source: Source, length: int, chance: np.random.Generator) -> Array:
    """Hz at each sample: a phrase's slow fall and rise, or notes."""
    if not source.pitch_hz:
        return np.ones(length)
    every = 0.28 if source.notes else 0.16
    knots = max(4, round(length / SAMPLE_RATE / every))
    octaves = chance.normal(0, source.wander, knots)
    t = np.arange(length) / SAMPLE_RATE
    place = np.linspace(0, knots - 1, length)
    if source.notes:
        steps = np.round(12 * octaves) / 12
        line = steps[place.round().astype(int)] + 0.02 * np.sin(2 * np.pi * 5.5 * t)
    else:
        octaves += np.linspace(0.5, -0.5, knots) * source.wander
        line = np.interp(place, np.arange(knots), octaves)
    pitch: Array = source.pitch_hz * 2.0**line
    return pitch.clip(60, 600)


def _above(noise: Array, hz: float) -> Array:
    spectrum = np.fft.rfft(noise)
    spectrum[: round(hz / SAMPLE_RATE * len(noise))] = 0
    return np.fft.irfft(spectrum, len(noise))


def _frames(x: Array) -> Array:
    padded = np.pad(x, (_WINDOW, _WINDOW))
    view = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    return np.fft.rfft(view * np.hanning(_WINDOW), axis=1)


def _envelope(voice: Array, tract: float) -> Array:
    """Log magnitude without the pitch, on a stretched axis: ``[frames, bins]``."""
    log = np.log(np.abs(_frames(voice)) + 1e-5)
    cepstrum = np.fft.irfft(log, axis=1)
    cepstrum[:, _SMOOTH:-_SMOOTH] = 0
    smooth = np.fft.rfft(cepstrum, axis=1).real
    bins = np.arange(smooth.shape[1])
    at = np.clip(bins * tract, 0, len(bins) - 1.001)
    low = at.astype(int)
    stretched: Array = smooth[:, low] + (at - low) * (
        smooth[:, low + 1] - smooth[:, low]
    )
    return stretched


def _shaped(sound: Array, envelope: Array, source: Source) -> Array:
    tilt = np.linspace(0, source.tilt_db * np.log(10) / 20 * 1.5, envelope.shape[1])
    spectrum = _frames(sound) * np.exp(envelope + tilt)
    pieces = np.fft.irfft(spectrum, axis=1) * np.hanning(_WINDOW)
    made = np.zeros(len(pieces) * _HOP + _WINDOW)
    for offset in range(_WINDOW // _HOP):  # pieces this far apart do not overlap
        part = pieces[offset :: _WINDOW // _HOP]
        at = offset * _HOP
        made[at : at + part.size] += part.ravel()
    return made[_WINDOW : _WINDOW + len(sound)]
