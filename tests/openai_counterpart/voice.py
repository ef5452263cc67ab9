"""
Voice of the counterpart: each word is a tone, so that a recording shows what was heard.

The pitch of a word follows from its letters. `heard` reads the words back, also from
audio that has gone through a codec.
"""

import io
import re
import wave
import zlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RATE = 24_000
_PITCHES = 115.0 * 1.06 ** np.arange(18)  # Hz, a voice's fundamentals
_LETTER_S = 0.045
_LONGEST = 8  # letters that lengthen a word
_SHORTEST = 4
_GAP_S = 0.05  # between words
_PAUSE_S = 0.2  # after a sentence
_HARMONICS = np.array([1.0, 0.7, 0.5, 0.3, 0.2, 0.1])
_LOUDNESS = 0.25
_STEP_S = 0.01
_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen twenty"
)
_COUNTED = _NUMBERS.split()


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return re.findall(r"[\w'-]+", text)


def pitch(word: str) -> float:
    """Return the fundamental of a word in Hz."""
    return float(_PITCHES[_step(word)])


def _step(word: str) -> int:
    return zlib.crc32(word.lower().encode()) % len(_PITCHES)


def spoken(text: str, speed: float = 1.0) -> NDArray[np.int16]:
    """Return the speech of a text, mono, at 24 kHz; its length follows the letters."""
    parts = [np.zeros(0, np.int16)]
    for word, tone_s, pause_s in _timed(text):
        parts.append(_tone(_step(word), tone_s / speed))
        parts.append(np.zeros(round(pause_s / speed * RATE), np.int16))
    return np.concatenate(parts)


def seconds(text: str, speed: float = 1.0) -> float:
    """Return how long the speech of a text is."""
    return len(spoken(text, speed)) / RATE


def counting(length_s: float) -> str:
    """Return a text whose speech has at least this length: the numbers from one on."""
    chosen: list[str] = []
    total_s = 0.0
    while total_s < length_s:
        word = _COUNTED[len(chosen) % len(_COUNTED)]
        chosen.append(word)
        total_s += _word_s(word) + _GAP_S
    return " ".join(chosen)


def ends(text: str) -> list[tuple[str, int]]:
    """Return each word of a text with the sample at which its tone ends."""
    result, position = [], 0
    for word, tone_s, pause_s in _timed(text):
        tone = round(tone_s * RATE)
        result.append((word, position + tone))
        position += tone + round(pause_s * RATE)
    return result


def _timed(text: str) -> Iterator[tuple[str, float, float]]:
    """Yield each word with the seconds of its tone and of the silence after it."""
    for match in re.finditer(r"([\w'-]+)([^\w'-]*)", text):
        pause_s = _PAUSE_S if re.search(r"[.!?;:]", match[2]) else _GAP_S
        yield match[1], _word_s(match[1]), pause_s


def _word_s(word: str) -> float:
    return min(max(len(word), _SHORTEST), _LONGEST) * _LETTER_S


@lru_cache(maxsize=512)
def _tone(step: int, length_s: float) -> NDArray[np.int16]:
    count = round(length_s * RATE)
    at = np.arange(count) / RATE
    base = 2 * np.pi * float(_PITCHES[step]) * at
    wave_ = sum(
        strength * np.sin(base * (order + 1))
        for order, strength in enumerate(_HARMONICS)
    )
    # Each syllable swells and fades, as in speech.
    swell = 0.8 + 0.2 * np.sin(2 * np.pi * 4.0 * at)
    edge = np.minimum(1.0, np.minimum(np.arange(count), np.arange(count)[::-1]) / 240)
    level = _LOUDNESS / float(_HARMONICS.sum())
    return np.asarray(wave_ * swell * edge * level * 32767, np.int16)


def heard(pcm: NDArray[np.int16], rate: int, text: str) -> list[str]:
    """
    Return the words of ``text`` that a recording has, from the first one on.

    ``pcm`` is mono. A word that was cut counts if at least half of it is there.
    """
    tones = _tones(np.asarray(pcm, np.float64) / 32768, rate)
    result = []
    for word, (step, length_s) in zip(words(text), tones, strict=False):
        if step != _step(word) or length_s < _word_s(word) / 2:
            break
        result.append(word)
    return result


def _tones(signal: NDArray[np.float64], rate: int) -> list[tuple[int, float]]:
    """Return pitch step and length of each tone that stands between silences."""
    hop = round(_STEP_S * rate)
    count = len(signal) // hop
    blocks = signal[: count * hop].reshape(count, hop)
    loud = np.sqrt((blocks**2).mean(axis=1)) > 0.02
    edges = np.flatnonzero(np.diff(np.concatenate(([0], loud.astype(int), [0]))))
    result = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if end - begin < 3:
            continue
        piece = signal[begin * hop : end * hop]
        result.append((_nearest_step(piece, rate), (end - begin) * _STEP_S))
    return result


def _nearest_step(piece: NDArray[np.float64], rate: int) -> int:
    # Padded to four times its length: bins are closer than peaks are wide.
    size = 1 << (4 * len(piece)).bit_length()
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), size))
    bins = np.rint(np.outer(_PITCHES, np.arange(1, 4)) * size / rate).astype(int)
    return int(np.argmax(spectrum[bins] @ _HARMONICS[:3]))


def as_wav(pcm: bytes, rate: int = RATE) -> bytes:
    """Return s16le mono PCM as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm)
    return file.getvalue()


def from_wav(data: bytes) -> tuple[NDArray[np.int16], int]:
    """Return mono samples and rate of a WAV file; `ValueError` if it is none."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != 2:
                raise ValueError("the samples do not have 16 bits")
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            mono = samples.reshape(-1, file.getnchannels())[:, 0]
            return mono.astype(np.int16), file.getframerate()
    except (wave.Error, EOFError) as error:
        raise ValueError(str(error)) from None
