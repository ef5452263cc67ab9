"""Level and pitch of a voice in native code: `renderer/native/voice.c`."""

import ctypes
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from renderer.life import voice
from renderer.life.voice import NumpyVoice, VoiceAnalysis, VoiceStep
from renderer.native.library import library_for

if TYPE_CHECKING:
    import torch

_MAX_STEP, _MAX_HOP = 960, 240  # of voice.h
_PITCHES: list[float | None] = [None, *voice.PITCHES[1:]]


class _Method(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("step", "decimation", "hop")),
        *((name, ctypes.c_int32) for name in ("first_lag", "last_lag")),
        ("rumble_count", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("rumble", "echoes", "lag_weights")),
        *((name, ctypes.c_float) for name in ("min_voiced", "min_speech_db", "floor")),
    )


class _State(ctypes.Structure):
    _fields_ = (
        ("pending_bytes", ctypes.c_int32),
        ("pending", ctypes.c_uint8 * (2 * _MAX_STEP)),
        ("last", ctypes.c_float * _MAX_HOP),
    )


class VoiceLibrary:
    """Native analysis of voices: its function, and the numbers of the method."""

    def __init__(self, library: ctypes.CDLL) -> None:
        first, last = voice.LAGS
        rumble = np.arange(voice.RUMBLE_BINS) / voice.FFT  # cycles in a slow sample
        turns = 2 * np.pi * np.outer(rumble, np.arange(voice.WINDOW))
        # Share of a wave in the autocorrelation; all but the first are in two bins.
        shares = np.where(rumble > 0, 2, 1) / voice.FFT
        self._arrays = [
            np.ascontiguousarray(array, np.float32)
            for array in (
                np.stack([np.cos(turns), np.sin(turns)], 1),
                np.cos(2 * np.pi * np.outer(np.arange(last), rumble)) * shares,
                voice.LAG_WEIGHTS,
            )
        ]
        self._method = _Method(
            voice.STEP, voice.DECIMATION, voice.HOP, first, last, voice.RUMBLE_BINS,
            *(array.ctypes.data for array in self._arrays),
            voice.MIN_VOICED, voice.MIN_SPEECH_DB, voice.FLOOR,
        )  # fmt: skip
        self.method = ctypes.byref(self._method)
        method = ctypes.POINTER(_Method)
        library.voice_problem.argtypes = [method]
        library.voice_problem.restype = ctypes.c_char_p
        if problem := library.voice_problem(self.method):
            raise RuntimeError(f"voice.c cannot use this method: {problem.decode()}")
        self.feed = library.voice_feed
        self.feed.restype = ctypes.c_int64
        self.feed.argtypes = [
            *(method, ctypes.POINTER(_State), ctypes.c_char_p, ctypes.c_int64),
            *(ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_int32)),
        ]


class NativeVoice:
    """Analysis of the voice of one turn. The result is that of `NumpyVoice`."""

    def __init__(self, library: VoiceLibrary) -> None:
        self._library = library
        self._state = _State()
        self._pending_bytes = 0

    def feed(self, pcm: bytes) -> list[VoiceStep]:
        """Analyse the next audio, s16le, and return the steps that it completes."""
        steps, self._pending_bytes = divmod(
            self._pending_bytes + len(pcm), 2 * voice.STEP
        )
        levels, lags = (ctypes.c_float * steps)(), (ctypes.c_int32 * steps)()
        library = self._library
        library.feed(library.method, self._state, pcm, len(pcm), levels, lags)
        return [
            VoiceStep(level, _PITCHES[lag])
            for level, lag in zip(levels, lags, strict=True)
        ]


def voice_analysis(
    device: "str | torch.device", native: bool | None = None
) -> Callable[[], VoiceAnalysis]:
    """
    Return the function that begins the analysis of a turn's voice.

    ``native`` is that of `renderer.native.library.library_for`, which also says what is
    raised.
    """
    library = library_for(str(device), native)
    return (
        NumpyVoice if library is None else partial(NativeVoice, VoiceLibrary(library))
    )
