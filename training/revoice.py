"""Source-filter vocoder that gives a recording another voice.

It keeps the smooth envelope of each short-time spectrum, the filter, and excites it by
pulses of another pitch or by noise, the source. Stretching the envelope imitates
another length of the vocal tract. So a synthetic voice can sing, shout or whisper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.frames import SAMPLE_RATE
from training.phones import VOWELS, Phone
from training.spectra import fft_size, white_noise

Array = npt.NDArray[Any]

_WINDOW, _HOP = 768, 192  # 32 and 8 ms
_HANN = np.hanning(_WINDOW).astype(np.float32)
_CEPSTRUM_SAMPLES = 40  # quefrencies kept: envelopes of voices of up to 600 Hz
_VOICED = VOWELS | {"W", "B", "M", "V", "D", "N", "L", "R", "Y"}
_HELD_SHARE = 0.3  # of the vowels of an utterance
_MAX_HELD_S = 1.5
_MIXED_HZ = 4500.0  # above it even a clear voice is noisy


@dataclass(frozen=True, slots=True)
class Source:
    """Source of the vocoder, and what it changes of the filter."""

    pitch_hz: float  # 0 gives a whisper
    pitch_spread: float  # standard deviation in octaves
    notes: bool = False  # for singing: the pitch stays on notes, with vibrato
    tract: float = 1.0  # relative length; above 1 the formants fall
    tilt_db: float = 0.0  # gain at 8 kHz: positive for a shout, negative if sleepy
    breath: float = 0.02  # level of noise in voiced phonemes


def revoice(
    voice: Array, phones: Sequence[Phone], source: Source, rng: np.random.Generator
) -> Array:
    """Return ``voice`` ``[n]`` at 24 kHz as another speaker, with the same timing."""
    excitation = _excitation(phones, len(voice), source, rng)
    result = _filtered(excitation, _envelope(voice, source.tract), source)
    return _with_peak_of(result, voice)


def hold_vowels(
    voice: Array, phones: Sequence[Phone], source: Source, rng: np.random.Generator
) -> tuple[Array, list[Phone], Array]:
    """Revoice with some vowels held, as in singing and in hesitation.

    Returns the audio ``[m]``, its phones, and for each of its samples the position in
    ``voice`` as a fractional sample ``[m]``.
    """
    held, ends_s, at_s = [], [0.0], 0.0
    for phone in phones:
        length_s = phone.end_s - phone.start_s
        if phone.phoneme in VOWELS and rng.random() < _HELD_SHARE:
            length_s = min(length_s * rng.uniform(2, 10), max(length_s, _MAX_HELD_S))
        held.append(Phone(phone.phoneme, at_s, at_s + length_s, phone.stress))
        at_s += length_s
        ends_s.append(at_s)
    original_ends_s = [0.0, *(phone.end_s for phone in phones)]
    length = round(at_s * SAMPLE_RATE)
    result_s = np.arange(length) / SAMPLE_RATE
    positions = np.interp(result_s, ends_s, original_ends_s) * SAMPLE_RATE
    envelope = _envelope(voice, source.tract)
    excitation = _excitation(held, length, source, rng)
    frames = np.arange(0, length + _WINDOW + 1, _HOP)  # the same as in `_frames`
    rows = np.interp(frames, np.arange(length), positions) / _HOP
    envelope = envelope[rows.round().astype(int).clip(0, len(envelope) - 1)]
    result = _filtered(excitation, envelope, source)
    return _with_peak_of(result, voice), held, positions


def _with_peak_of(result: Array, voice: Array) -> Array:
    peak = float(np.abs(result).max()) + 1e-9
    loudest = float(np.abs(voice).max())
    return (result * loudest / peak).astype(np.float32)


def _excitation(
    phones: Sequence[Phone], length: int, source: Source, rng: np.random.Generator
) -> Array:
    """Return the source signal ``[length]``: voiced pulses with breath, else noise."""
    voiced = _voicing(phones, length) * (source.pitch_hz > 0)
    pitch = _pitch(source, length, rng)
    phase = np.cumsum(pitch / SAMPLE_RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0).astype(np.float32)
    pulses *= np.sqrt(SAMPLE_RATE / np.maximum(pitch, 1.0))
    noise = white_noise(length, rng)
    treble = _high_pass(noise, _MIXED_HZ)
    excitation = voiced * (pulses + 0.35 * treble + source.breath * 4 * noise)
    mixed: Array = excitation + (1 - voiced) * noise
    return mixed


def _voicing(phones: Sequence[Phone], length: int) -> Array:
    """Return 1 in voiced phones and 0 elsewhere, smoothed over 10 ms."""
    voiced = np.zeros(length, np.float32)
    for phoneme, start, end, _ in phones:
        if phoneme in _VOICED:
            voiced[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = 1.0
    edge = np.hanning(240).astype(np.float32)
    smooth: Array = np.convolve(voiced, edge / edge.sum(), "same")
    return smooth


def _pitch(source: Source, length: int, rng: np.random.Generator) -> Array:
    """Return the pitch in Hz at each sample: a falling phrase melody, or notes."""
    if not source.pitch_hz:
        return np.ones(length)
    knot_s = 0.28 if source.notes else 0.16
    knots = max(4, round(length / SAMPLE_RATE / knot_s))
    octaves = rng.normal(0, source.pitch_spread, knots)
    t = np.arange(length) / SAMPLE_RATE
    place = np.linspace(0, knots - 1, length)
    if source.notes:
        steps = np.round(12 * octaves) / 12
        curve = steps[place.round().astype(int)] + 0.02 * np.sin(2 * np.pi * 5.5 * t)
    else:
        octaves += np.linspace(0.5, -0.5, knots) * source.pitch_spread
        curve = np.interp(place, np.arange(knots), octaves)
    pitch: Array = source.pitch_hz * 2.0**curve
    return pitch.clip(60, 600)


def _high_pass(noise: Array, hz: float) -> Array:
    size = fft_size(len(noise))
    spectrum = np.fft.rfft(noise, size)
    spectrum[: round(hz / SAMPLE_RATE * size)] = 0
    return np.fft.irfft(spectrum, size)[: len(noise)]


def _frames(x: Array) -> Array:
    padded = np.pad(x, (_WINDOW, _WINDOW))
    view = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    return np.fft.rfft(view * _HANN, axis=1)


def _envelope(voice: Array, tract: float) -> Array:
    """Return log magnitudes ``[frames, bins]`` without pitch, on a stretched axis."""
    log = np.log(np.abs(_frames(voice)) + 1e-5)
    cepstrum = np.fft.irfft(log, axis=1)
    cepstrum[:, _CEPSTRUM_SAMPLES:-_CEPSTRUM_SAMPLES] = 0
    smooth = np.fft.rfft(cepstrum, axis=1).real
    bins = np.arange(smooth.shape[1], dtype=np.float32)
    at = np.clip(bins * tract, 0, len(bins) - 1.001)
    low = at.astype(int)
    stretched: Array = smooth[:, low] + (at - low) * (
        smooth[:, low + 1] - smooth[:, low]
    )
    return stretched


def _filtered(excitation: Array, envelope: Array, source: Source) -> Array:
    tilt = np.linspace(0, source.tilt_db * np.log(10) / 20 * 1.5, envelope.shape[1])
    spectrum = _frames(excitation) * np.exp(envelope + tilt.astype(np.float32))
    frames = np.fft.irfft(spectrum, axis=1) * _HANN
    result = np.zeros(len(frames) * _HOP + _WINDOW, np.float32)
    for offset in range(_WINDOW // _HOP):  # frames this far apart do not overlap
        part = frames[offset :: _WINDOW // _HOP]
        at = offset * _HOP
        result[at : at + part.size] += part.ravel()
    return result[_WINDOW : _WINDOW + len(excitation)]
