"""What happens to speech on its way: rooms, lines, codecs, noise, music and breath."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.frames import SAMPLE_RATE

Array = npt.NDArray[Any]
Chance = np.random.Generator


def suffer(speech: Array, others: Sequence[Array], chance: Chance) -> Array:
    """``[n]`` of clean speech -> ``[n]`` as it may arrive. ``others`` make babble."""
    x = speech
    if chance.random() < 0.25:
        x = breathy(x, chance)
    if chance.random() < 0.25:
        x = compressed(x, chance)
    x = through(x, chance)
    if chance.random() < 0.72:
        x = x + noise(len(x), others, chance) * _level(x) * _part(chance, 5, 40)
    if chance.random() < 0.15:
        x = coarse(x, chance)
    if chance.random() < 0.18:
        x = clipped(x, chance)
    x = x * _part(chance, -6, 16)
    return np.clip(x + hiss(len(x), chance), -1, 1).astype(np.float32)


def _part(chance: Chance, least_db: float, most_db: float) -> float:
    """An attenuation, as a factor."""
    return float(10 ** (-chance.uniform(least_db, most_db) / 20))


def _level(x: Array) -> float:
    return float(np.sqrt(np.square(x).mean())) + 1e-6


def hiss(length: int, chance: Chance) -> Array:
    return chance.standard_normal(length) * 10 ** chance.uniform(-5.2, -3.6)


def _smooth(x: Array, samples: int) -> Array:
    total = np.cumsum(np.pad(x, (samples, 0)))
    mean: Array = (total[samples:] - total[:-samples]) / samples
    return mean


def breathy(x: Array, chance: Chance) -> Array:
    """Noise under the voice's own envelope."""
    high = coloured(len(x), chance, chance.uniform(-0.5, 0.2))
    return x + high * _smooth(np.abs(x), 240) * chance.uniform(0.05, 0.5)


def compressed(x: Array, chance: Chance) -> Array:
    """Made evenly loud, as studios and telephones do."""
    envelope = _smooth(np.abs(x), 1200) + 0.02
    made = x / envelope ** chance.uniform(0.2, 0.6)
    return made * (_level(x) / _level(made))


def through(x: Array, chance: Chance) -> Array:
    """A microphone's colour, a room and a line, in one pass over the spectrum."""
    length = len(x)
    size = 1 << (length + SAMPLE_RATE).bit_length()
    spectrum = np.fft.rfft(x, size)
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    if chance.random() < 0.85:
        knots = np.linspace(0, 1, 9)
        gains = chance.normal(0, 4.5, 9) + chance.normal(0, 4) * knots
        spectrum *= 10 ** (np.interp((hz / hz[-1]) ** 0.5, knots, gains) / 20)
    if chance.random() < 0.40:
        spectrum *= np.fft.rfft(room(chance), size)
    if chance.random() < 0.14:
        spectrum *= band(hz, chance.uniform(200, 400), chance.uniform(3000, 3600))
    else:
        if chance.random() < 0.25:
            spectrum *= band(hz, 0, chance.uniform(3400, 8000))
        if chance.random() < 0.30:
            spectrum *= band(hz, chance.uniform(50, 300), 1e6)
    made: Array = np.fft.irfft(spectrum, size)[:length]
    return made * (_level(x) / _level(made))


def room(chance: Chance) -> Array:
    """An impulse response: the direct sound, a few walls, and a tail that dies."""
    seconds = chance.uniform(0.12, 0.8)
    length = round(seconds * SAMPLE_RATE)
    tail = chance.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= chance.uniform(0.008, 0.09)
    tail[: round(chance.uniform(0.001, 0.006) * SAMPLE_RATE)] = 0
    walls = chance.integers(60, 900, 5)
    tail[walls] += chance.uniform(-0.4, 0.4, 5)
    tail[0] = 1.0
    return tail


def band(hz: Array, low: float, high: float) -> Array:
    """The gain of a band-pass of fourth order."""
    gain: Array = 1 / np.sqrt(1 + (hz / high) ** 8)
    if low:
        gain = gain / np.sqrt(1 + (low / np.maximum(hz, 1e-3)) ** 4)
    return gain


def coarse(x: Array, chance: Chance) -> Array:
    """Few steps on a logarithmic scale, as in old telephone lines."""
    loudest = float(np.abs(x).max()) + 1e-6
    law = np.log1p(255 * np.abs(x) / loudest) / np.log(256)
    steps = chance.integers(16, 96)
    law = np.round(law * steps) / steps
    made: Array = np.sign(x) * (256**law - 1) / 255 * loudest
    return made


def clipped(x: Array, chance: Chance) -> Array:
    top = float(np.percentile(np.abs(x), 99.5)) + 1e-6
    drive = chance.uniform(0.7, 2.5)
    return top * np.tanh(x / top * drive)


def coloured(length: int, chance: Chance, slope: float) -> Array:
    """Noise of which power falls as ``1 / f^slope``, of unit level."""
    spectrum = np.fft.rfft(chance.standard_normal(length))
    spectrum /= np.arange(1, len(spectrum) + 1) ** slope
    made = np.fft.irfft(spectrum, length)
    return made / _level(made)


def noise(length: int, others: Sequence[Array], chance: Chance) -> Array:
    """One of the things that are heard behind a voice, of unit level."""
    kinds: list[Callable[[], Array]] = [
        lambda: coloured(length, chance, chance.uniform(0.0, 1.0)),
        lambda: babble(length, others, chance),
        lambda: music(length, chance),
        lambda: played(length, chance),
        lambda: clicks(length, chance),
    ]
    kind = chance.choice(5, p=(0.3, 0.2, 0.15, 0.2, 0.15))
    made = kinds[kind]()
    return made / _level(made)


def played(length: int, chance: Chance) -> Array:
    """What is heard where nobody speaks: music of any kind, tones, hum; unit level."""
    kinds = (music, strings, melody, tones)
    made = kinds[chance.choice(4, p=(0.25, 0.2, 0.3, 0.25))](length, chance)
    return made / _level(made)


def babble(length: int, others: Sequence[Array], chance: Chance) -> Array:
    made = np.zeros(length)
    for _ in range(chance.integers(3, 7)):
        other = others[int(chance.integers(len(others)))]
        tiled = np.resize(other, length)
        made += np.roll(tiled, chance.integers(length)) * chance.uniform(0.3, 1.0)
    return made


def music(length: int, chance: Chance) -> Array:
    """Notes of a scale with overtones, on a beat, with and without drums."""
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    made = np.zeros(length + SAMPLE_RATE)
    beat = round(SAMPLE_RATE * chance.uniform(0.18, 0.6))
    root, drums = chance.uniform(60, 220), chance.random() < 0.5
    overtones = np.arange(1, 7)
    fall = chance.uniform(0.8, 2.0)
    for start in range(0, length, beat):
        for _ in range(chance.integers(1, 4)):
            hz = root * 2 ** (chance.choice((0, 2, 4, 5, 7, 9, 11, 12, 16, 19)) / 12)
            waves = np.sin(2 * np.pi * hz * overtones[:, None] * t)
            note = (waves / overtones[:, None] ** fall).sum(0)
            made[start : start + SAMPLE_RATE] += note * np.exp(
                -t * chance.uniform(1.5, 8)
            )
        if drums:
            hit = chance.standard_normal(SAMPLE_RATE) * np.exp(
                -t * chance.uniform(20, 60)
            )
            made[start : start + SAMPLE_RATE] += hit * chance.uniform(0.3, 1.5)
    return made[:length]


def strings(length: int, chance: Chance) -> Array:
    """Held chords that swell and tremble: overtones as steady as a vowel's."""
    made = np.zeros(length)
    every = round(SAMPLE_RATE * chance.uniform(0.6, 2.5))
    root, fall = chance.uniform(70, 260), chance.uniform(0.8, 1.8)
    body = chance.uniform(0, 2, 4)  # what four resonances lift, and where
    body_hz = chance.uniform(200, 3500, 4)

    def tone(hz: float, t: Array) -> Array:
        trembling = t + 0.004 * np.sin(2 * np.pi * chance.uniform(4, 7) * t) / 6
        sound = np.zeros(len(t))
        for n in range(1, round(min(12, 5000 / hz)) + 1):
            lift = 1 + (body / (1 + ((n * hz - body_hz) / 250) ** 2)).sum()
            turn = 2 * np.pi * n * hz * trembling + chance.uniform(0, 2 * np.pi)
            sound += np.sin(turn) * lift / n**fall
        return sound

    for start in range(0, length, every):
        count = min(round(1.4 * every), length - start)
        t = np.arange(count) / SAMPLE_RATE
        swell = np.minimum(1, t / chance.uniform(0.02, 0.5))
        swell *= np.hanning(2 * count)[-count:]
        for step in chance.choice((0, 3, 4, 7, 9, 12, 16), 3, replace=False):
            made[start : start + count] += swell * tone(root * 2 ** (step / 12), t)
    return made


def melody(length: int, chance: Chance) -> Array:
    """One instrument that sings: held notes, one after the other, with vibrato."""
    every = round(SAMPLE_RATE * chance.uniform(0.12, 0.9))
    count = -(-length // every)
    steps = chance.choice((0, 2, 4, 5, 7, 9, 11, 12, 14), count)
    hz = np.repeat(chance.uniform(90, 900) * 2 ** (steps / 12), every)[:length]
    hz = _smooth(hz, round(chance.uniform(48, 1200)))
    t = np.arange(length) / SAMPLE_RATE
    deep = chance.uniform(0, 0.012)
    hz = hz * (1 + deep * np.sin(2 * np.pi * chance.uniform(4.5, 6.5) * t))
    turn = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE
    fall, odd = chance.uniform(0.7, 3), chance.random() < 0.25
    made = np.zeros(length)
    for n in range(1, 13, 1 + odd):
        made += np.sin(n * turn) * (n * hz < 0.45 * SAMPLE_RATE) / n**fall
    into = (np.arange(length) % every) / SAMPLE_RATE
    held = chance.uniform(0.6, 1.0) * every / SAMPLE_RATE
    rise, end = chance.uniform(0.005, 0.1), chance.uniform(0.02, 0.2)
    swell = np.clip(into / rise, 0, 1) * np.clip((held - into) / end, 0, 1)
    return made * (swell if chance.random() < 0.7 else 1.0)


def tones(length: int, chance: Chance) -> Array:
    """Dial tones, beeps and the mains: they hold still, or come and go evenly."""
    t = np.arange(length) / SAMPLE_RATE
    if chance.random() < 0.4:
        base = float(chance.choice((50, 60, 100, 120)))
        count = int(chance.integers(1, 9))
    else:
        base, count = float(np.exp(chance.uniform(np.log(90), np.log(2500)))), 1
    fall = chance.uniform(0.3, 2)
    made = np.zeros(length)
    for n in range(1, count + 1):
        made += np.sin(2 * np.pi * n * base * t) / n**fall
    if count == 1 and chance.random() < 0.6:
        made = made + np.sin(2 * np.pi * base * chance.uniform(1.05, 1.9) * t)
    if base > 150 and chance.random() < 0.5:  # on and off
        made = made * ((t % chance.uniform(0.15, 3)) < chance.uniform(0.08, 1.5))
    return made


def clicks(length: int, chance: Chance) -> Array:
    """Keys, plates and the mains."""
    made = 0.03 * chance.standard_normal(length)
    tick = np.exp(-np.arange(480) / chance.uniform(10, 120))
    for at in chance.integers(0, max(1, length - 480), max(1, length // 9000)):
        made[at : at + 480] += (
            tick * chance.standard_normal(480) * chance.uniform(0.5, 3)
        )
    return made + 0.05 * np.sin(2 * np.pi * 50 * np.arange(length) / SAMPLE_RATE)


def breath(length: int, chance: Chance) -> Array:
    """Somebody draws air, or sighs: noise through an open mouth, no speech."""
    made = coloured(length, chance, chance.uniform(0.1, 0.6))
    return made * np.hanning(length)
