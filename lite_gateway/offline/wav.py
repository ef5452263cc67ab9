"""WAV and other sound files of any rate and encoding, as the PCM of the wire."""

import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soxr

from lite_gateway.errors import GatewayError
from protocol.lite.messages import SAMPLE_RATE

# FFmpeg's other formats include playlists, which make it open files and URLs.
_FORMATS = "wav,w64,aiff,au,flac,ogg,mp3,mov"
# Rates of speech and music; a broken header can name any.
_MIN_RATE, _MAX_RATE = 4_000, 384_000
_FIX = "Use a WAV, FLAC, OGG, MP3 or M4A file."


class InvalidWav(GatewayError):
    """Sound file that cannot be read; the text says why and what to do."""


def read_wav(path: Path) -> bytes:
    """
    Read a sound file as s16le, mono, 24 kHz.

    The sound may have any number of channels and any encoding of FFmpeg. If the header
    has no length, as programs write it that write to a pipe, the sound ends with the
    file. `InvalidWav` if the file cannot be read or has no sound.
    """
    try:
        file = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise InvalidWav(f"{path}: {error.strerror}. Name another file.") from None
    try:
        rate, sound = _decode(file)
    except InvalidWav as error:
        raise InvalidWav(f"{path}: {error}") from None
    except Exception as error:  # boundary: FFmpeg may raise anything
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise InvalidWav(f"{path}: it cannot be read ({reason}). {_FIX}") from None
    if rate != SAMPLE_RATE:
        sound = soxr.resample(sound, rate, SAMPLE_RATE)
    clipped = np.clip(sound * 32767, -32768, 32767)
    if not len(clipped):
        raise InvalidWav(f"{path}: the file has no sound. {_FIX}")
    return bytes(clipped.round().astype("<i2").tobytes())


def _decode(file: io.BytesIO) -> tuple[int, npt.NDArray[np.float64]]:
    """Return the sample rate and the mean of all channels."""
    with av.open(file, "r", options={"format_whitelist": _FORMATS}) as container:
        if not container.streams.audio:
            raise InvalidWav(f"the file has no sound. {_FIX}")
        stream = container.streams.audio[0]
        if not _MIN_RATE <= stream.rate <= _MAX_RATE:
            raise InvalidWav(
                f"its sample rate is {stream.rate} Hz. Convert it to a rate of "
                f"{_MIN_RATE} to {_MAX_RATE} Hz."
            )
        to_float = av.AudioResampler(format="dblp")
        blocks = [
            # Floats in a file may be infinite or no number.
            np.nan_to_num(part.to_ndarray(), posinf=1.0, neginf=-1.0).mean(0)
            for frame in _frames(container, stream)
            for part in to_float.resample(frame)
        ]
        return stream.rate, np.concatenate([np.zeros(0), *blocks])


def _frames(
    container: av.container.InputContainer, stream: av.AudioStream
) -> Iterator[av.AudioFrame]:
    """Yield the frames that can be decoded; players skip the others too."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue
