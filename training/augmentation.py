"""Audio augmentation for training: rooms, lines, codecs, noise, music and breath.

All functions work on float samples at ``SAMPLE_RATE`` with full scale 1. Randomness
comes only from the generator that they are given, so a seed gives the same samples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.frames import SAMPLE_RATE
from training.spectra import fft_size, white_noise

Array = npt.NDArray[Any]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of conditions in the examples of a stage of the training."""

    softest_db: float = 24.0  # attenuation of the softest speakers
    # Noise, babble, music, music or tones, and clicks, of the backgrounds.
    backgrounds: tuple[float, ...] = (0.3, 0.2, 0.15, 0.2, 0.15)
    held_vowels: float = 0.35  # of the revoiced utterances, which hold some vowels


# The second stage has softer speakers, more babble behind them and more held vowels.
MIXES = (Mix(), Mix(34.0, (0.26, 0.28, 0.14, 0.18, 0.14), 0.45))


def augment(
    speech: Array, other_voices: Sequence[Array], rng: Rng, mix: Mix = MIXES[0]
) -> Array:
    """Return clean ``speech`` ``[n]`` as a microphone and a line may deliver it.

    The result is float32 ``[n]`` within -1 to 1; no sample moves in time.
    ``other_voices`` are recordings ``[m]`` that babble noise is mixed from.
    """
    x = speech
    if rng.random() < 0.25:
        x = add_breathiness(x, rng)
    if rng.random() < 0.25:
        x = compress(x, rng)
    x = apply_channel(x, rng)
    if rng.random() < 0.72:
        noise = background_noise(len(x), other_voices, rng, mix)
        x = x + noise * _rms(x) * _attenuation(rng, 5, 40)
    if rng.random() < 0.35:
        x = x + distant_talk(len(x), other_voices, rng) * _rms(x) * _attenuation(
            rng, 15, 35
        )
    if rng.random() < 0.15:
        x = quantise(x, rng)
    if rng.random() < 0.18:
        x = soft_clip(x, rng)
    x = x * _attenuation(rng, -6, mix.softest_db)
    return np.clip(x + hiss(len(x), rng), -1, 1).astype(np.float32)


def _attenuation(rng: Rng, min_db: float, max_db: float) -> float:
    """Return a random attenuation between two values in dB, as a linear factor."""
    return float(10 ** (-rng.uniform(min_db, max_db) / 20))


def _rms(x: Array) -> float:
    # The constant keeps a division by the level of silence finite.
    return float(np.sqrt(np.square(x).mean())) + 1e-6


def hiss(length: int, rng: Rng) -> Array:
    """Return white noise ``[length]`` of -104 to -72 dB, a microphone's own noise."""
    return white_noise(length, rng) * 10 ** rng.uniform(-5.2, -3.6)


def _moving_average(x: Array, samples: int) -> Array:
    total = np.cumsum(np.pad(x, (samples, 0)), dtype=np.float64)
    mean: Array = (total[samples:] - total[:-samples]) / samples
    return mean.astype(np.float32)


def add_breathiness(x: Array, rng: Rng) -> Array:
    """Add noise that follows the envelope of the voice."""
    high = coloured_noise(len(x), rng, rng.uniform(-0.5, 0.2))
    return x + high * _moving_average(np.abs(x), 240) * rng.uniform(0.05, 0.5)


def _cycles(turns: Array) -> Array:
    """Return the fractional part of ``turns`` as float32, for a fast and exact sine."""
    return np.mod(turns, 1.0).astype(np.float32)


def compress(x: Array, rng: Rng) -> Array:
    """Compress the dynamic range, as studios and telephones do; keep the RMS level."""
    envelope = _moving_average(np.abs(x), 1200) + 0.02
    result = x / envelope ** rng.uniform(0.2, 0.6)
    return result * (_rms(x) / _rms(result))


def apply_channel(x: Array, rng: Rng) -> Array:
    """Filter by a microphone, a room and a line; keep the RMS level.

    The three responses are multiplied in one pass over the spectrum.
    """
    length = len(x)
    size = fft_size(length + SAMPLE_RATE)
    spectrum = np.fft.rfft(x, size)
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE).astype(np.float32)
    if rng.random() < 0.85:
        knots = np.linspace(0, 1, 9)
        gains = rng.normal(0, 4.5, 9) + rng.normal(0, 4) * knots
        spectrum *= 10 ** (np.interp((hz / hz[-1]) ** 0.5, knots, gains) / 20)
    if rng.random() < 0.40:
        spectrum *= np.fft.rfft(room_impulse_response(rng), size)
    if rng.random() < 0.14:
        spectrum *= band_pass_gain(hz, rng.uniform(200, 400), rng.uniform(3000, 3600))
    else:
        if rng.random() < 0.25:
            spectrum *= band_pass_gain(hz, 0, rng.uniform(3400, 8000))
        if rng.random() < 0.30:
            spectrum *= band_pass_gain(hz, rng.uniform(50, 300), 1e6)
    result: Array = np.fft.irfft(spectrum, size)[:length]
    return result * (_rms(x) / _rms(result))


def room_impulse_response(rng: Rng) -> Array:
    """Return a room's impulse response: direct path, five reflections, decaying tail.

    The tail falls by 60 dB in 0.12 to 0.8 s.
    """
    seconds = rng.uniform(0.12, 0.8)
    length = round(seconds * SAMPLE_RATE)
    tail = white_noise(length, rng)
    tail *= np.exp(-6.9 * np.arange(length, dtype=np.float32) / length)
    tail *= rng.uniform(0.008, 0.09)
    tail[: round(rng.uniform(0.001, 0.006) * SAMPLE_RATE)] = 0
    walls = rng.integers(60, 900, 5)
    tail[walls] += rng.uniform(-0.4, 0.4, 5)
    tail[0] = 1.0
    return tail


def band_pass_gain(hz: Array, low: float, high: float) -> Array:
    """Return the gain at each frequency ``hz`` of a band-pass filter.

    The upper edge is of fourth order, the lower edge of second order. ``low`` 0 makes
    it a low-pass filter.
    """
    gain: Array = 1 / np.sqrt(1 + (hz / high) ** 8)
    if low:
        gain = gain / np.sqrt(1 + (low / np.maximum(hz, 1e-3)) ** 4)
    return gain


def quantise(x: Array, rng: Rng) -> Array:
    """Quantise each polarity to 16 to 95 mu-law levels, as old telephone lines do."""
    loudest = float(np.abs(x).max()) + 1e-6
    law = np.log1p(255 * np.abs(x) / loudest) / np.log(256)
    steps = rng.integers(16, 96)
    law = np.round(law * steps) / steps
    result: Array = np.sign(x) * (256**law - 1) / 255 * loudest
    return result


def soft_clip(x: Array, rng: Rng) -> Array:
    """Overdrive and clip with a hyperbolic tangent, as an overloaded input does."""
    top = float(np.percentile(np.abs(x), 99.5)) + 1e-6
    drive = rng.uniform(0.7, 2.5)
    return top * np.tanh(x / top * drive)


def coloured_noise(length: int, rng: Rng, slope: float) -> Array:
    """Return noise ``[length]`` of unit RMS, amplitude as ``1 / f^slope``."""
    size = fft_size(length)
    spectrum = np.fft.rfft(white_noise(size, rng))
    spectrum /= np.arange(1, len(spectrum) + 1, dtype=np.float32) ** slope
    result = np.fft.irfft(spectrum, size)[:length]
    return result / _rms(result)


def background_noise(
    length: int, other_voices: Sequence[Array], rng: Rng, mix: Mix = MIXES[0]
) -> Array:
    """Return random noise ``[length]`` of unit RMS: noise, babble, music, clicks."""
    kinds: list[Callable[[], Array]] = [
        lambda: coloured_noise(length, rng, rng.uniform(0.0, 1.0)),
        lambda: babble(length, other_voices, rng),
        lambda: music(length, rng),
        lambda: music_or_tones(length, rng),
        lambda: clicks(length, rng),
    ]
    kind = rng.choice(5, p=mix.backgrounds)
    result = kinds[kind]()
    return result / _rms(result)


def music_or_tones(length: int, rng: Rng) -> Array:
    """Return random non-speech audio ``[length]`` of unit RMS: music, tones or hum."""
    kinds = (music, strings, melody, tones)
    result = kinds[rng.choice(4, p=(0.25, 0.2, 0.3, 0.25))](length, rng)
    return result / _rms(result)


def babble(length: int, other_voices: Sequence[Array], rng: Rng) -> Array:
    """Mix three to six shifted recordings of ``other_voices``."""
    result = np.zeros(length, np.float32)
    for _ in range(rng.integers(3, 7)):
        other = other_voices[int(rng.integers(len(other_voices)))]
        tiled = np.resize(other, length)
        result += np.roll(tiled, rng.integers(length)) * rng.uniform(0.3, 1.0)
    return result


def distant_talk(length: int, other_voices: Sequence[Array], rng: Rng) -> Array:
    """Return one voice of ``other_voices`` elsewhere in the room, of unit RMS."""
    size = fft_size(length + SAMPLE_RATE)
    voice = np.resize(other_voices[int(rng.integers(len(other_voices)))], length)
    voice = np.roll(voice, rng.integers(length))
    room = room_impulse_response(rng)
    room[0] = rng.uniform(0.0, 0.5)  # little of it comes straight
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE).astype(np.float32)
    spectrum = np.fft.rfft(voice, size) * np.fft.rfft(room, size)
    spectrum *= band_pass_gain(hz, 150, rng.uniform(2500, 7000))
    result = np.fft.irfft(spectrum, size)[:length]
    return result / _rms(result)


def music(length: int, rng: Rng) -> Array:
    """Return notes of a scale with overtones, on a beat, with or without drums."""
    t = np.arange(SAMPLE_RATE, dtype=np.float32) / SAMPLE_RATE
    result = np.zeros(length + SAMPLE_RATE, np.float32)
    beat = round(SAMPLE_RATE * rng.uniform(0.18, 0.6))
    root, drums = rng.uniform(60, 220), rng.random() < 0.5
    overtones = np.arange(1, 7, dtype=np.float32)
    rolloff = rng.uniform(0.8, 2.0)
    for start in range(0, length, beat):
        for _ in range(rng.integers(1, 4)):
            step = float(rng.choice((0, 2, 4, 5, 7, 9, 11, 12, 16, 19)))
            hz = root * 2 ** (step / 12)
            waves = np.sin(2 * np.pi * hz * overtones[:, None] * t)
            note = (waves / overtones[:, None] ** rolloff).sum(0)
            result[start : start + SAMPLE_RATE] += note * np.exp(
                -t * rng.uniform(1.5, 8)
            )
        if drums:
            drum = white_noise(SAMPLE_RATE, rng) * np.exp(-t * rng.uniform(20, 60))
            result[start : start + SAMPLE_RATE] += drum * rng.uniform(0.3, 1.5)
    return result[:length]


def strings(length: int, rng: Rng) -> Array:
    """Return held chords with vibrato and slow swells.

    Their overtones are as steady as those of a vowel, so they are hard examples.
    """
    result = np.zeros(length, np.float32)
    chord_samples = round(SAMPLE_RATE * rng.uniform(0.6, 2.5))
    root, rolloff = rng.uniform(70, 260), rng.uniform(0.8, 1.8)
    resonance_gains = rng.uniform(0, 2, 4)
    resonance_hz = rng.uniform(200, 3500, 4)

    def tone(hz: float, t: Array) -> Array:
        vibrato_t = t + 0.004 * np.sin(2 * np.pi * rng.uniform(4, 7) * t) / 6
        cycles = _cycles(hz * vibrato_t)
        wave = np.zeros(len(t), np.float32)
        for n in range(1, round(min(12, 5000 / hz)) + 1):
            gain = (
                1 + (resonance_gains / (1 + ((n * hz - resonance_hz) / 250) ** 2)).sum()
            )
            phase = 2 * np.pi * n * cycles + rng.uniform(0, 2 * np.pi)
            wave += np.sin(phase) * float(gain / n**rolloff)
        return wave

    for start in range(0, length, chord_samples):
        count = min(round(1.4 * chord_samples), length - start)
        t = np.arange(count) / SAMPLE_RATE
        swell = np.minimum(1, t / rng.uniform(0.02, 0.5))
        swell *= np.hanning(2 * count)[-count:]
        for step in rng.choice((0, 3, 4, 7, 9, 12, 16), 3, replace=False):
            result[start : start + count] += swell * tone(root * 2 ** (step / 12), t)
    return result


def melody(length: int, rng: Rng) -> Array:
    """Return a melody of one instrument: one held note after another, with vibrato."""
    note_samples = round(SAMPLE_RATE * rng.uniform(0.12, 0.9))
    count = -(-length // note_samples)
    steps = rng.choice((0, 2, 4, 5, 7, 9, 11, 12, 14), count)
    hz = np.repeat(rng.uniform(90, 900) * 2 ** (steps / 12), note_samples)[:length]
    hz = _moving_average(hz, round(rng.uniform(48, 1200)))
    t = np.arange(length) / SAMPLE_RATE
    vibrato_depth = rng.uniform(0, 0.012)
    hz = hz * (1 + vibrato_depth * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * t))
    phase = 2 * np.pi * _cycles(np.cumsum(hz, dtype=np.float64) / SAMPLE_RATE)
    rolloff, odd_only = rng.uniform(0.7, 3), rng.random() < 0.25
    result = np.zeros(length, np.float32)
    for n in range(1, 13, 1 + odd_only):
        result += np.sin(n * phase) * (n * hz < 0.45 * SAMPLE_RATE) / n**rolloff
    since_onset_s = (np.arange(length) % note_samples) / SAMPLE_RATE
    held_s = rng.uniform(0.6, 1.0) * note_samples / SAMPLE_RATE
    attack_s, release_s = rng.uniform(0.005, 0.1), rng.uniform(0.02, 0.2)
    swell = np.clip(since_onset_s / attack_s, 0, 1) * np.clip(
        (held_s - since_onset_s) / release_s, 0, 1
    )
    return result * (swell if rng.random() < 0.7 else 1.0)


def tones(length: int, rng: Rng) -> Array:
    """Return dial tones, beeps or mains hum, steady or switched on and off."""
    t = np.arange(length) / SAMPLE_RATE
    if rng.random() < 0.4:
        base = float(rng.choice((50, 60, 100, 120)))
        count = int(rng.integers(1, 9))
    else:
        base, count = float(np.exp(rng.uniform(np.log(90), np.log(2500)))), 1
    rolloff = rng.uniform(0.3, 2)
    result = np.zeros(length, np.float32)
    cycles = _cycles(base * t)
    for n in range(1, count + 1):
        result += np.sin(2 * np.pi * n * cycles) / n**rolloff
    if count == 1 and rng.random() < 0.6:
        result += np.sin(2 * np.pi * _cycles(base * rng.uniform(1.05, 1.9) * t))
    if base > 150 and rng.random() < 0.5:  # switched on and off
        result = result * ((t % rng.uniform(0.15, 3)) < rng.uniform(0.08, 1.5))
    return result


def clicks(length: int, rng: Rng) -> Array:
    """Return clicks of keys and dishes over faint noise and mains hum."""
    result = 0.03 * white_noise(length, rng)
    tick = np.exp(-np.arange(480) / rng.uniform(10, 120))
    for at in rng.integers(0, max(1, length - 480), max(1, length // 9000)):
        result[at : at + 480] += tick * rng.standard_normal(480) * rng.uniform(0.5, 3)
    hum = np.sin(2 * np.pi * _cycles(50 * np.arange(length) / SAMPLE_RATE))
    return result + 0.05 * hum


def breath(length: int, rng: Rng) -> Array:
    """Return the noise of one breath or sigh in ``length`` samples.

    Half of them have resonances, as air that is drawn in through the mouth, and end
    more suddenly than they begin.
    """
    result = coloured_noise(length, rng, rng.uniform(0.1, 0.6))
    if rng.random() < 0.5:
        return result * np.hanning(length)
    result = _resonant(result, rng.uniform((400, 1200, 2200), (1000, 2200, 4500)), 250)
    ends_at = rng.uniform(0.5, 0.9)
    t = np.arange(length) / length
    return result * np.clip(t / ends_at, 0, 1) * np.clip((1 - t) / (1 - ends_at), 0, 1)


def smack(rng: Rng) -> Array:
    """Return a smack of lips or tongue that comes before speech: one to three clicks.

    The largest sample is about 1.
    """
    clicks_at = np.cumsum(rng.integers(60, 900, rng.integers(1, 4)))
    result = np.zeros(int(clicks_at[-1]) + 600)
    decay = np.exp(-np.arange(480) / rng.uniform(20, 90))
    for at in clicks_at:
        result[at : at + 480] += decay * rng.standard_normal(480) * rng.uniform(0.4, 1)
    result = _resonant(result, rng.uniform((900, 2500), (2000, 5000)), 500)
    loudest: float = np.abs(result).max() + 1e-9
    return result / loudest


def _resonant(noise: Array, resonances_hz: Array, width_hz: float) -> Array:
    """Return ``noise`` with peaks of its spectrum at some frequencies; keep the RMS."""
    size = fft_size(len(noise))
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    distance = (hz - np.asarray(resonances_hz)[:, None]) / width_hz
    gain = 0.05 + (1 / (1 + np.square(distance))).sum(0)
    spectrum = np.fft.rfft(noise, size) * gain.astype(np.float32)
    result = np.fft.irfft(spectrum, size)[: len(noise)]
    return result * (_rms(noise) / _rms(result))
