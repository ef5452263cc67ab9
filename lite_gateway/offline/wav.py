"""Sound files of any rate and shape to the wire's PCM."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from protocol.lite.messages import SAMPLE_RATE


class InvalidWav(Exception):
    """The text says what was wrong and what would be right."""


def read_wav(path: Path) -> bytes:
    """A PCM WAV file as s16le, mono, 24 kHz."""
    try:
        with wave.open(str(path)) as sound:
            rate, channels = sound.getframerate(), sound.getnchannels()
            width, data = sound.getsampwidth(), sound.readframes(sound.getnframes())
    except EOFError:  # it has no text
        raise InvalidWav(f"{path}: ends too soon; give a PCM WAV file") from None
    except (OSError, wave.Error) as wrong:
        raise InvalidWav(f"{path}: {wrong}; give a PCM WAV file") from None
    data = data[: len(data) // (width * channels) * (width * channels)]  # it may be cut
    floats = _floats(path, data, width).reshape(-1, channels).mean(1)
    if rate != SAMPLE_RATE:
        floats = soxr.resample(floats, rate, SAMPLE_RATE)
    clipped = np.clip(floats * 32767, -32768, 32767)
    return bytes(clipped.round().astype("<i2").tobytes())


def _floats(path: Path, data: bytes, width: int) -> npt.NDArray[np.float64]:
    match width:
        case 1:
            return (np.frombuffer(data, np.uint8).astype(np.float64) - 128) / 128
        case 2:
            return np.frombuffer(data, "<i2").astype(np.float64) / 32768
        case 3:
            bytes_ = np.frombuffer(data, np.uint8).reshape(-1, 3)
            padded = np.pad(bytes_, ((0, 0), (1, 0))).reshape(-1).view("<i4")
            return padded.astype(np.float64) / 2**31
        case 4:
            return np.frombuffer(data, "<i4").astype(np.float64) / 2**31
        case _:
            raise InvalidWav(f"{path}: {8 * width} bit samples; give 8, 16, 24 or 32")
