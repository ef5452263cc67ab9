"""WAV files and PCM of the speech service, as arrays of float32 in -1..1."""

import io
import struct
import wave

import numpy as np
import numpy.typing as npt
import soxr

Sound = npt.NDArray[np.float32]

VOICE_RATE = 24_000  # Hz, of all speech that leaves the service
RECOGNIZER_RATE = 16_000  # Hz
_MIN_RATE, _MAX_RATE = 8_000, 192_000
# Python's reader raises them for headers that contradict themselves.
_BROKEN = (
    *(wave.Error, EOFError, OSError, struct.error),
    *(ArithmeticError, RuntimeError, ValueError),
)
_FIX = "Send a WAV file of PCM, for example 16 bit, mono, 16 or 24 kHz."


class UnreadableSound(Exception):
    """Bytes that are no WAV file of PCM; the text says why and what to send."""


def read_wav(data: bytes) -> tuple[Sound, int]:
    """
    Return the mean of all channels and the sample rate of a WAV file.

    PCM of 8, 16, 24 and 32 bits is read. If the header promises more than there is, as
    programs write it that do not know the length, the sound ends with the data.
    """
    if not data.startswith(b"RIFF"):
        raise UnreadableSound(f"The file is not a WAV file. {_FIX}")
    try:
        with wave.open(io.BytesIO(data)) as file:
            rate, channels, width = (
                file.getframerate(),
                file.getnchannels(),
                file.getsampwidth(),
            )
            pcm = file.readframes(file.getnframes())
    except _BROKEN as error:
        reason = str(error) or "it ends too early"
        raise UnreadableSound(
            f"The WAV file cannot be read: {reason}. {_FIX}"
        ) from None
    if not _MIN_RATE <= rate <= _MAX_RATE or not 1 <= width <= 4 or channels < 1:
        raise UnreadableSound(
            f"The WAV file has {rate} Hz, {channels} channels and {8 * width} bits."
            f" {_FIX}"
        )
    samples = _floats(pcm[: len(pcm) // width * width], width)
    whole = len(samples) // channels * channels
    mono: Sound = samples[:whole].reshape(-1, channels).mean(1, dtype=np.float32)
    return mono, rate


def _floats(pcm: bytes, width: int) -> Sound:
    """Return samples of ``width`` bytes as floats; 8-bit samples are unsigned."""
    if width == 1:
        unsigned: Sound = np.frombuffer(pcm, np.uint8).astype(np.float32)
        return (unsigned - np.float32(128)) / np.float32(128)
    wide = np.zeros((len(pcm) // width, 4), np.uint8)
    wide[:, 4 - width :] = np.frombuffer(pcm, np.uint8).reshape(-1, width)
    return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)


def resampled(sound: Sound, from_hz: float, to_hz: float) -> Sound:
    """Return a sound at another sample rate."""
    if from_hz == to_hz or not len(sound):
        return sound
    result: Sound = soxr.resample(sound, from_hz, to_hz)
    return result


def pcm16(sound: Sound) -> bytes:
    """Return a sound as s16le."""
    clipped = np.clip(sound * 32767, -32768, 32767)
    return bytes(clipped.round().astype("<i2").tobytes())


def wav_of(pcm: bytes, rate: int = VOICE_RATE) -> bytes:
    """Return s16le mono as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(pcm)
    return file.getvalue()
