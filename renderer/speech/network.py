"""
Lip-sync network: log-mel frames in, curves of the mouth and phonemes out. Causal.

Every 20 ms it gives seven read-outs: the mouth now, 20 ms ago, … 120 ms ago. A read-out
of an earlier moment has had more audio after that moment, so one pass serves every
look-ahead.

The state of a stream is one flat vector, so that the states of many sessions are
stacked into a batch.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from renderer.speech.network_shape import (
    BLOCK_SHAPES,
    CONVOLUTIONS,
    CURVES,
    HALVE_SHAPE,
    JOINT,
    LAGS,
    MEMORY,
    PAST_SIZES,
    STEM,
    STEM_SHAPE,
    WIDTH,
    ConvolutionShape,
    initial_state,
    load_weights,
)
from renderer.speech.phonemes import PHONEMES


class NetworkOutput(NamedTuple):
    """Logits of the network for T steps."""

    curves: Tensor  # [B, T, LAGS, len(CURVES)]
    phonemes: Tensor  # [B, T, LAGS, len(PHONEMES)]


class CausalConv(nn.Module):
    """Causal dilated convolution as one matrix product; the caller keeps its past."""

    def __init__(self, shape: ConvolutionShape) -> None:
        super().__init__()
        self.shape = shape
        self._linear = nn.Linear(shape.taps * shape.channels, shape.outputs)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return the output ``[B, T, out]`` and the past of the next call.

        ``x`` is ``[B, T, channels]``, ``past`` ``[B, shape.past, channels]``.
        """
        if torch.is_autocast_enabled(x.device.type):
            # The product rounds its inputs; to round them here copies a third as much.
            kind = torch.get_autocast_dtype(x.device.type)
            x, past = x.to(kind), past.to(kind)
        whole = torch.cat([past, x], 1)
        steps = x.shape[1]
        starts = range(0, self.shape.past + 1, self.shape.dilation)
        taps = torch.cat([whole[:, i : i + steps] for i in starts], 2)
        return self._linear(taps), whole[:, steps:]


class Network(nn.Module):
    """
    Convolutions, a GRU and two output layers, 1.02 million weights.

    The attributes that hold layers name the arrays of a weights file.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stem = CausalConv(STEM_SHAPE)
        self._halve = CausalConv(HALVE_SHAPE)
        self._blocks = nn.ModuleList(CausalConv(shape) for shape in BLOCK_SHAPES)
        self._norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in BLOCK_SHAPES)
        self._memory = nn.GRU(WIDTH, MEMORY, batch_first=True)
        self._joint = nn.Linear(MEMORY + WIDTH, JOINT)
        self._curves = nn.Linear(JOINT, LAGS * len(CURVES))
        self._sounds = nn.Linear(JOINT, LAGS * len(PHONEMES))

    def initial_state(self) -> Tensor:
        """Return the state ``[S]`` of a stream before its first audio: silence."""
        return torch.from_numpy(initial_state())

    def forward(self, mel: Tensor, state: Tensor) -> tuple[NetworkOutput, Tensor]:
        """
        Run the network on ``mel`` ``[B, 2 T, BANDS]`` from ``state`` ``[B, S]``.

        Return the output of the T steps and the next state.
        """
        batch = mel.shape[0]
        *pasts, memory = torch.split(state, [*PAST_SIZES, MEMORY], 1)
        pasts_by_layer = [
            past.view(batch, shape.past, shape.channels)
            for past, shape in zip(pasts, CONVOLUTIONS, strict=True)
        ]
        next_pasts = []
        x, past = self._stem(mel, pasts_by_layer[0])
        next_pasts.append(past)
        pairs = F.gelu(x).reshape(batch, -1, 2 * STEM)
        x, past = self._halve(pairs, pasts_by_layer[1])
        next_pasts.append(past)
        x = F.gelu(x)
        for block, norm, past in zip(
            self._blocks, self._norms, pasts_by_layer[2:], strict=True
        ):
            y, past = block(norm(x), past)
            next_pasts.append(past)
            x = x + F.gelu(y)
        recalled, memory = self._memory(x, memory[None].contiguous())
        joint = F.gelu(self._joint(torch.cat([recalled, x], 2)))
        shape = (*joint.shape[:2], LAGS, -1)
        output = NetworkOutput(
            self._curves(joint).view(shape), self._sounds(joint).view(shape)
        )
        return output, torch.cat(
            [*(past.flatten(1) for past in next_pasts), memory[0]], 1
        )


def load_network(path: Path) -> Network:
    """Return a network with the weights of a file. Raises as `load_weights` does."""
    network = Network()
    network.load_state_dict(
        {name: torch.from_numpy(array) for name, array in load_weights(path).items()}
    )
    return network


def save_network(network: nn.Module, path: Path) -> None:
    """Write the weights of a `Network` for `load_network`: float32 arrays by name."""
    arrays = {
        name: weight.float().cpu().numpy()
        for name, weight in network.state_dict().items()
    }
    with path.open("wb") as file:
        np.savez(file, **arrays)
