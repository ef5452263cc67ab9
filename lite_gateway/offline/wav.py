"""WAV files of any sample rate, converted to the PCM of the wire."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from lite_gateway.errors import GatewayError
from protocol.lite.messages import SAMPLE_RATE

_FIX = "Use a PCM WAV file."


class InvalidWav(GatewayError):
    """WAV file that cannot be read; the text says why and what to do."""


def read_wav(path: Path) -> bytes:
    """Read a PCM WAV file as s16le, mono, 24 kHz; may raise `InvalidWav`."""
    try:
        with wave.open(str(path)) as file:
            rate, channels = file.getframerate(), file.getnchannels()
            width, data = file.getsampwidth(), file.readframes(file.getnframes())
    except EOFError:  # this exception has no text of its own
        raise InvalidWav(f"{path}: the file ends too early. {_FIX}") from None
    except OSError as error:
        raise InvalidWav(f"{path}: {error.strerror}. {_FIX}") from None
    except wave.Error as error:
        raise InvalidWav(f"{path}: {error}. {_FIX}") from None
    # A truncated file can end within a frame.
    frame_bytes = width * channels
    data = data[: len(data) // frame_bytes * frame_bytes]
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
            raise InvalidWav(
                f"{path}: {8 * width}-bit samples are not supported. "
                "Use 8, 16, 24 or 32 bits."
            )
