"""Speech synthesis by Hibari: a woman's voice, distilled from Kokoro.

The network in the package counts the frames of each symbol that it speaks. One more
output of its graph tells them, and `conversation.speech.frame_times` makes phone times
of them.

    from training import hibari
    for spoken in hibari.sentences("Bob bought a pumpkin. Mom laughed."):
        spoken.audio, spoken.phones

Errors: ``MissingVoice``, ``UnknownSymbol``.
"""

import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conversation.speech.frame_times import EARLY_S, SAMPLE_RATE, timed_phones
from conversation.speech.onnx_output import with_output
from protocol.phones.alphabets import UnknownPhone
from training.phones import (
    MissingVoice,
    Phone,
    Synthesis,
    SynthesisError,
    UnknownSymbol,
)

PACKAGE = "hibari-tts==0.2.1"
NAME = "heart"
_FRAMES = "/Clip_output_0"  # tensor of the graph: the frames of each symbol


def speak(
    text: str, *, speed: float = 1.0, pitch: float = 1.0, seed: int | None = None
) -> Synthesis:
    """Return ``text`` as speech; a ``speed`` above 1 is faster.

    ``pitch`` is a factor of the voice's own. ``seed`` is of the noise in the voice; by
    default it comes from the text, so the same call gives the same samples.
    """
    parts = list(sentences(text, speed=speed, pitch=pitch, seed=seed))
    if not parts:
        raise SynthesisError("the text has nothing that can be said")
    return joined(parts)


def sentences(
    text: str, *, speed: float = 1.0, pitch: float = 1.0, seed: int | None = None
) -> Iterator[Synthesis]:
    """Yield the sentences of ``text`` one by one, as `speak` does."""
    from hibari import dsp

    rng = np.random.default_rng(zlib.crc32(text.encode()) if seed is None else seed)
    for symbols in phonemize(text):
        ids = symbol_ids(symbols)
        inputs = {
            "ids": np.asarray([ids], np.int64),
            "speed": np.asarray([speed], np.float32),
        }
        *spectra, melody, frames = (
            array[0] if array.ndim > 1 else array
            for array in _session().run(None, inputs)
        )
        audio = dsp.synth(*spectra, melody * np.float32(pitch), rng)
        yield timed(symbols, frames, audio)


def timed(
    symbols: str, frames: npt.NDArray[Any], audio: npt.NDArray[np.float32]
) -> Synthesis:
    """Return audio with its phones; ``frames`` are as in `timed_phones`."""
    try:
        phones = timed_phones(symbols, frames.astype(int).tolist(), audio, EARLY_S)
    except UnknownPhone as error:
        raise UnknownSymbol(error.alphabet, error.symbol) from None
    return Synthesis(audio, SAMPLE_RATE, [Phone(*phone) for phone in phones])


def joined(parts: list[Synthesis]) -> Synthesis:
    """Return parts that were spoken one after the other as one."""
    phones, at_s = [], 0.0
    for part in parts:
        for phone in part.phones:
            times = phone.start_s + at_s, phone.end_s + at_s
            phones.append(phone._replace(start_s=times[0], end_s=times[1]))
        at_s += len(part.audio) / part.sample_rate
    audio = np.concatenate([part.audio for part in parts])
    return Synthesis(audio, SAMPLE_RATE, phones)


def phonemize(text: str) -> list[str]:
    """Return the symbols of each sentence, without those that no voice knows."""
    known = _hibari().vocab
    return [
        "".join(symbol for symbol in symbols if symbol in known)
        for symbols in _hibari().phonemize(text)
    ]


def symbol_ids(symbols: str) -> list[int]:
    """Return the numbers of the symbols, with those of the beginning and the end."""
    ids: list[int] = _hibari().ids(symbols)
    return ids


@cache
def _hibari() -> Any:
    try:
        from hibari import Hibari
    except ImportError as error:
        raise MissingVoice("hibari", PACKAGE, "pip install") from error
    return Hibari()


@cache
def _session() -> Any:
    return open_session(Path(_hibari().model_path).read_bytes(), _FRAMES)


def open_session(model: bytes, tensor: str) -> Any:
    """Return a session of onnxruntime that has ``tensor`` as its last output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        with_output(model, tensor), options, providers=["CPUExecutionProvider"]
    )
