"""
Model of the lip-sync driver as the native code reads it: weights, tables and numbers.

The structures have the layout of `renderer/native/speech.h`. All values come from the
modules that define them, and the weights from the file of `network_shape`:
there is no second definition of the model. Weights are packed as 16-bit numbers, of
which the largest of each output is 32767.
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.face import INDEX, SIZE
from renderer.frames import SAMPLE_RATE
from renderer.speech import coarticulation, gain, mel, mouth_weights
from renderer.speech.network_shape import (
    BLOCK_SHAPES,
    CONVOLUTIONS,
    LAGS,
    InvalidWeights,
    initial_state,
)
from renderer.speech.phonemes import PHONEMES
from renderer.speech.readouts import FADE_S, KEPT_STEPS, MAX_LAG

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float32]

_MAX_BLOCKS = 8
# Sums of products of such weights stay finite through all layers.
_MAX_WEIGHT = 1e4
_MAX_CODE = 32767
# All weights are in one array, in the order of their use, because each is prefetched
# some time before. From 4 MB on, numpy asks Linux for huge pages: weights that are no
# longer in the cache are then found sooner.
_PADDING, _MIN_CODES = 2**15, 2**21

_Int = ctypes.c_int32
_Float = ctypes.c_float
_Pointer = ctypes.c_void_p
_Range = _Float * 2


def _fields(kind: Any, names: str) -> list[tuple[str, Any]]:
    return [(name, kind) for name in names.split()]


class _Mel(ctypes.Structure):
    _fields_ = [
        *_fields(_Int, "hop window bands first_bin last_bin"),
        *_fields(_Pointer, "hann cosines band_bins band_weights"),
        *_fields(_Float, "floor scale"),
    ]


class _Gain(ctypes.Structure):
    _fields_ = _fields(_Float, "target_power max_gain speech_ratio rise fall")


class _Linear(ctypes.Structure):
    _fields_ = [
        *_fields(_Int, "inputs outputs"),
        *_fields(_Pointer, "weights scales biases"),
    ]


class _Convolution(ctypes.Structure):
    _fields_ = [*_fields(_Int, "channels taps dilation"), ("linear", _Linear)]


class _Network(ctypes.Structure):
    _fields_ = [
        *_fields(_Int, "block_count memory state_size widest"),
        *_fields(_Convolution, "stem halve"),
        ("blocks", _Convolution * _MAX_BLOCKS),
        *_fields(_Pointer * _MAX_BLOCKS, "norm_gains norm_biases"),
        *_fields(_Linear, "input recurrent joint outputs"),
    ]


class _Mouth(ctypes.Structure):
    _fields_ = [
        *_fields(_Int, "lags max_lag kept_steps phonemes context_size modelled shapes"),
        *_fields(_Pointer, "context lip_weights columns model_shares pulls"),
        *_fields(_Pointer, "bites closures tongues shape_curves reductions mixing"),
        *_fields(_Pointer, "parting"),
        *_fields(_Float, "exponent stop_share tongue_opening"),
        *_fields(_Range, "shut_range bite_range rest_range"),
        *_fields(_Int, "now silence jaw_open mouth_close"),
        *_fields(_Float, "sample_rate fade_s"),
    ]


class Speech(ctypes.Structure):
    """Model of the driver, and scratch memory."""

    _fields_ = [
        *_fields(_Mel, "mel"),
        *_fields(_Gain, "gain"),
        *_fields(_Network, "network"),
        *_fields(_Mouth, "mouth"),
        *_fields(_Pointer, "scratch"),
    ]


class StreamHeader(ctypes.Structure):
    """Beginning of the state of one turn; audio, memory and outputs follow it."""

    _fields_ = [
        *_fields(ctypes.c_int64, "steps consumed moment"),
        *_fields(ctypes.c_double, "vowel_power"),
        *_fields(_Int, "lag pending"),
        *_fields(_Float * SIZE, "face residual"),
    ]


class PackedSpeech:
    """Model for `renderer/native/speech.c`, with the arrays that it points to."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        """
        Pack the weights of a network by name, and the tables of the modules.

        Raises `InvalidWeights` if a weight is so large that sums may overflow.
        """
        self._arrays: list[Array] = []
        count = sum(array.size for array in weights.values())
        self._codes = np.empty(max(count + _PADDING, _MIN_CODES), np.int16)
        self._used_codes = 0
        self.speech = Speech(
            mel=self._mel(),
            gain=_Gain(
                target_power=gain.TARGET_POWER,
                max_gain=gain.MAX_GAIN,
                speech_ratio=gain.SPEECH_RATIO,
                rise=gain.RISE,
                fall=gain.FALL,
            ),
            network=self._network(weights),
            mouth=self._mouth(),
        )

    def add_scratch(self, size: int) -> None:
        """Give the model ``size`` bytes of scratch memory."""
        self.speech.scratch = self._keep(np.zeros(size, np.uint8), np.uint8)

    def _keep(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> int:
        """Return the address of a copy of ``values`` that lives as long as this."""
        array: Array = np.array(values, dtype, order="C")
        self._arrays.append(array)
        return array.ctypes.data

    def _keep_codes(self, codes: Floats) -> int:
        """Return the address of a copy of ``codes``, after those of the last layer."""
        start, self._used_codes = self._used_codes, self._used_codes + codes.size
        copy = self._codes[start : self._used_codes]
        copy[:] = codes.ravel()
        return copy.ctypes.data

    def _mel(self) -> _Mel:
        filters = mel.filters().T  # [bands, bins]
        bins = [np.flatnonzero(row) for row in filters]
        runs = [(int(used[0]), int(used[-1]) + 1) for used in bins]
        turns = np.arange(mel.FFT) / mel.FFT
        return _Mel(
            hop=mel.HOP,
            window=mel.WINDOW,
            bands=mel.BANDS,
            first_bin=min(first for first, _ in runs),
            last_bin=max(end for _, end in runs),
            hann=self._keep(mel.hann()),
            cosines=self._keep(np.cos(2 * np.pi * turns)),
            band_bins=self._keep([(a, b - a) for a, b in runs], np.int32),
            band_weights=self._keep(
                np.concatenate(
                    [row[a:b] for row, (a, b) in zip(filters, runs, strict=True)]
                )
            ),
            floor=mel.FLOOR,
            scale=mel.SCALE,
        )

    def _network(self, weights: Mapping[str, Floats]) -> _Network:
        def layer(name: str, kind: str = "") -> _Linear:
            return self._linear(
                weights[f"{name}.weight{kind}"], weights[f"{name}.bias{kind}"]
            )

        count = len(BLOCK_SHAPES)
        stem, halve, *blocks = (
            _Convolution(
                shape.channels,
                shape.taps,
                shape.dilation,
                layer(f"{shape.name}._linear"),
            )
            for shape in CONVOLUTIONS
        )
        gains, biases = (
            [self._keep(weights[f"_norms.{i}.{part}"]) for i in range(count)]
            for part in ("weight", "bias")
        )
        packed = _Network(
            block_count=count,
            state_size=len(initial_state()),
            stem=stem,
            halve=halve,
            blocks=tuple(blocks),
            norm_gains=tuple(gains),
            norm_biases=tuple(biases),
            input=layer("_memory", "_ih_l0"),
            recurrent=layer("_memory", "_hh_l0"),
            joint=layer("_joint"),
            outputs=self._linear(
                *(_joined(weights, part) for part in ("weight", "bias"))
            ),
        )
        packed.memory = packed.recurrent.inputs
        packed.widest = max(
            size
            for linear in (
                *(conv.linear for conv in (stem, halve, *blocks)),
                *(packed.input, packed.recurrent, packed.joint, packed.outputs),
            )
            for size in (linear.inputs, linear.outputs)
        )
        return packed

    def _linear(self, weights: Floats, biases: Floats) -> _Linear:
        """Pack a layer with weights ``[outputs, inputs]``."""
        if max(np.abs(weights).max(), np.abs(biases).max()) > _MAX_WEIGHT:
            raise InvalidWeights(
                f"the network has a weight above {_MAX_WEIGHT:g}, which native code "
                "cannot use: train it again"
            )
        scales = np.maximum(np.abs(weights).max(1), 1e-9) / _MAX_CODE
        outputs, inputs = weights.shape
        return _Linear(
            inputs=inputs,
            outputs=outputs,
            weights=self._keep_codes(np.rint(weights / scales[:, None]).T),
            scales=self._keep(scales),
            biases=self._keep(biases),
        )

    def _mouth(self) -> _Mouth:
        strength, pulls = coarticulation.pull_tables()
        shapes = mouth_weights.SHAPES
        return _Mouth(
            lags=LAGS,
            max_lag=MAX_LAG,
            kept_steps=KEPT_STEPS,
            phonemes=len(PHONEMES),
            context_size=len(coarticulation.CONTEXT),
            modelled=len(coarticulation.MODELLED),
            shapes=len(shapes),
            context=self._keep(coarticulation.CONTEXT, np.int32),
            lip_weights=self._keep(coarticulation.LIP_WEIGHTS),
            columns=self._keep(coarticulation.COLUMNS, np.int32),
            model_shares=self._keep(coarticulation.MODEL_SHARES),
            pulls=self._keep(np.hstack([pulls, strength])),
            bites=self._members(coarticulation.BITES, len(PHONEMES)),
            closures=self._members(coarticulation.CLOSURES, len(PHONEMES)),
            tongues=self._members(coarticulation.TONGUES, len(PHONEMES)),
            shape_curves=self._keep(mouth_weights.SHAPE_CURVES, np.int32),
            reductions=self._keep([mouth_weights.REDUCTIONS[name] for name in shapes]),
            mixing=self._keep(mouth_weights.mixing()),
            parting=self._members(mouth_weights.PARTING, SIZE),
            exponent=coarticulation.LIKELIHOOD_EXPONENT,
            stop_share=coarticulation.STOP_SHARE,
            tongue_opening=coarticulation.TONGUE_OPENING,
            shut_range=mouth_weights.SHUT_RANGE,
            bite_range=mouth_weights.BITE_RANGE,
            rest_range=mouth_weights.REST_RANGE,
            now=coarticulation.CONTEXT.index(0),
            silence=coarticulation.SILENCE,
            jaw_open=INDEX["jawOpen"],
            mouth_close=INDEX["mouthClose"],
            sample_rate=SAMPLE_RATE,
            fade_s=FADE_S,
        )

    def _members(self, indices: Sequence[int], size: int) -> int:
        """Return the address of ``size`` floats: 1 at each of the indices, else 0."""
        return self._keep(np.isin(np.arange(size), indices))


def _joined(weights: Mapping[str, Floats], part: str) -> Floats:
    """Return both output layers as one: curves and phonemes of each read-out."""
    curves, phonemes = (weights[f"{name}.{part}"] for name in ("_curves", "_sounds"))
    split = (LAGS, -1, *curves.shape[1:])
    rows = np.concatenate([curves.reshape(split), phonemes.reshape(split)], 1)
    return rows.reshape(-1, *curves.shape[1:])
