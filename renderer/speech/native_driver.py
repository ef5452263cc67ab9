"""
Lip-sync driver in native code: all of a pass in one call, on the CPU.

`renderer.speech.lip_driver.LipsDriver` does the same with torch. It is the reference,
and the path of CUDA and of machines without a native build.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from renderer.face import SIZE
from renderer.native.library import library_for
from renderer.speech.driver import AudioChunk, Driver, Faces
from renderer.speech.gain import SOFT_POWER
from renderer.speech.mel import HOP, WINDOW
from renderer.speech.native_model import PackedSpeech, Speech, StreamHeader
from renderer.speech.network_shape import STEP, WEIGHTS, initial_state, load_weights
from renderer.speech.readouts import silent_outputs
from renderer.tensors import like

if TYPE_CHECKING:
    import torch

_Speech = ctypes.POINTER(Speech)


class _Chunk(ctypes.Structure):
    _fields_ = (
        ("stream", ctypes.c_void_p),
        ("pcm", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("lookahead_samples", ctypes.c_int64),
    )


class NativeStreamState:
    """State of one turn, which native code reads and changes."""

    __slots__ = ("_memory", "address")

    def __init__(self, memory: npt.NDArray[np.uint8]) -> None:
        """Own ``memory``, which has a `StreamHeader` and the floats that follow it."""
        self._memory = memory
        self.address = memory.ctypes.data

    @property
    def steps(self) -> int:
        """Steps on which the network has run."""
        return int(StreamHeader.from_address(self.address).steps)


class NativeLipsDriver:
    """
    Lip-sync driver for any frame rate. The result is that of `LipsDriver`.

    One thread at a time may drive: all turns share scratch memory.
    """

    def __init__(self, library: ctypes.CDLL, weights: Path = WEIGHTS) -> None:
        """
        Load the weights of a file into a native library.

        Raises `renderer.speech.network_shape.InvalidWeights` as `load_weights` does.
        """
        self._packed = PackedSpeech(load_weights(weights))
        self._model = ctypes.byref(self._packed.speech)
        _declare(library)
        if problem := library.speech_problem(self._model):
            raise RuntimeError(f"speech.c cannot use this model: {problem.decode()}")
        self._packed.add_scratch(library.speech_scratch_bytes(self._model))
        self._drive = library.speech_drive
        self._silence = _initial_stream(
            library.speech_stream_bytes(self._model),
            initial_state(),
            silent_outputs(),
        )

    def begin(self) -> NativeStreamState:
        """Return the state of a new turn, as after silence."""
        return NativeStreamState(self._silence.copy())

    def drive(
        self, states: Sequence[NativeStreamState], chunks: Sequence[AudioChunk]
    ) -> Faces:
        """
        Return the next face of each turn, as in `renderer.speech.driver.Driver`.

        They are a tensor if the chunks were made of tensors.
        """
        audio = [chunk.samples for chunk in chunks]
        row: Any = _Chunk * len(chunks)
        pieces = row(*(
            (state.address, pcm.ctypes.data, len(pcm), chunk.lookahead_samples)
            for state, pcm, chunk in zip(states, audio, chunks, strict=True)
        ))  # fmt: skip
        faces = np.empty((len(chunks), SIZE), np.float32)
        self._drive(self._model, pieces, len(chunks), faces.ctypes.data)
        return like(chunks[0].given, faces) if chunks else faces


def make_lip_driver(
    device: "str | torch.device" = "cpu",
    native: bool | None = None,
    weights: Path = WEIGHTS,
) -> Driver:
    """
    Return the built-in driver for a device.

    ``native`` is that of `renderer.native.library.library_for`, which also says what is
    raised.
    """
    library = library_for(str(device), native)
    if library is not None:
        return NativeLipsDriver(library, weights)
    from renderer.speech.lip_driver import LipsDriver  # imports torch

    return LipsDriver(weights, device=str(device))


def _declare(library: ctypes.CDLL) -> None:
    """Declare the functions of `renderer/native/speech.c` that are called here."""
    for name, result in (
        ("speech_problem", ctypes.c_char_p),
        ("speech_scratch_bytes", ctypes.c_int64),
        ("speech_stream_bytes", ctypes.c_int64),
    ):
        function = getattr(library, name)
        function.argtypes, function.restype = [_Speech], result
    library.speech_drive.argtypes = [
        *(_Speech, ctypes.POINTER(_Chunk), ctypes.c_int, ctypes.c_void_p)
    ]
    library.speech_drive.restype = None


def _initial_stream(
    size: int, memory: npt.NDArray[np.float32], outputs: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Return the state of a turn before its first audio, ``size`` bytes."""
    stream = np.zeros(size, np.uint8)
    header = StreamHeader.from_address(stream.ctypes.data)
    header.vowel_power, header.lag = SOFT_POWER, -1
    floats = stream[ctypes.sizeof(StreamHeader) :].view(np.float32)
    audio = np.zeros(WINDOW - HOP + STEP, np.float32)
    floats[:] = np.concatenate([audio, memory, outputs.ravel()])
    return stream
