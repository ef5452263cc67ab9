"""
Shape of the lip-sync network: its read-outs, its layers, and the file of its weights.

`renderer.speech.network` computes with torch, ``renderer/native/speech.c`` without.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from renderer.arrays import Arrays
from renderer.frames import SAMPLE_RATE
from renderer.speech.mel import BANDS, HOP, SILENCE
from renderer.speech.phonemes import PHONEMES

Floats = npt.NDArray[np.float32]

WEIGHTS = Path(str(files("renderer.speech") / "lips.npz"))
STEP = 2 * HOP  # samples of a step: 20 ms
STEP_S = STEP / SAMPLE_RATE
LAGS = 7  # read-outs, one step apart
CURVES = ("jaw", "shut", "bite", "round", "funnel", "spread", "teeth", "tongue", "rest")

STEM, WIDTH, MEMORY, JOINT = 96, 192, 256, 192
_DILATIONS = (1, 2, 4, 8)
_TAPS = 3


class InvalidWeights(Exception):
    """A file does not hold the weights of this network. The text says why."""


class ConvolutionShape(NamedTuple):
    """Causal convolution, as one matrix product."""

    name: str  # of its arrays in a weights file
    channels: int
    outputs: int
    taps: int
    dilation: int = 1

    @property
    def past(self) -> int:
        """Inputs before the first one of a call that it also uses."""
        return (self.taps - 1) * self.dilation


STEM_SHAPE = ConvolutionShape("_stem", BANDS, STEM, _TAPS)
HALVE_SHAPE = ConvolutionShape("_halve", 2 * STEM, WIDTH, 2)
BLOCK_SHAPES = tuple(
    ConvolutionShape(f"_blocks.{i}", WIDTH, WIDTH, _TAPS, dilation)
    for i, dilation in enumerate(_DILATIONS)
)
# In the order of their pasts in the state of a stream.
CONVOLUTIONS = (STEM_SHAPE, HALVE_SHAPE, *BLOCK_SHAPES)
PAST_SIZES = tuple(shape.past * shape.channels for shape in CONVOLUTIONS)


def initial_state() -> Floats:
    """Return the state ``[S]`` of a stream before its first audio: silence."""
    state = np.zeros(sum(PAST_SIZES) + MEMORY, np.float32)
    state[: PAST_SIZES[0]] = SILENCE
    return state


def load_weights(path: Path) -> dict[str, Floats]:
    """
    Return the arrays of a weights file by name.

    Raises `InvalidWeights` if the file is not one or is of another network.
    """
    shapes = _weight_shapes()
    arrays = Arrays(str(path), path.read_bytes(), InvalidWeights)
    arrays.refuse_others(shapes)
    return {name: arrays.floats(name, "f", shape) for name, shape in shapes.items()}


def _weight_shapes() -> Mapping[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def add(name: str, outputs: int, inputs: int, suffix: str = "") -> None:
        shapes[f"{name}.weight{suffix}"] = outputs, inputs
        shapes[f"{name}.bias{suffix}"] = (outputs,)

    for shape in CONVOLUTIONS:
        add(f"{shape.name}._linear", shape.outputs, shape.taps * shape.channels)
    for i in range(len(BLOCK_SHAPES)):
        shapes[f"_norms.{i}.weight"] = shapes[f"_norms.{i}.bias"] = (WIDTH,)
    add("_memory", 3 * MEMORY, WIDTH, "_ih_l0")
    add("_memory", 3 * MEMORY, MEMORY, "_hh_l0")
    add("_joint", JOINT, MEMORY + WIDTH)
    add("_curves", LAGS * len(CURVES), JOINT)
    add("_sounds", LAGS * len(PHONEMES), JOINT)
    return shapes
