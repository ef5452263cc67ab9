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

from renderer.arrays import Arrays
from renderer.frames import SAMPLE_RATE
from renderer.speech.mel import BANDS, HOP, SILENCE
from renderer.speech.phonemes import PHONEMES

STEP = 2 * HOP  # samples of a step: 20 ms
STEP_S = STEP / SAMPLE_RATE
LAGS = 7  # read-outs, one step apart
CURVES = ("jaw", "shut", "bite", "round", "funnel", "spread", "teeth", "tongue", "rest")

_STEM, _WIDTH, _MEMORY, _JOINT = 96, 192, 256, 192
_DILATIONS = (1, 2, 4, 8)
_TAPS = 3


class InvalidWeights(Exception):
    """A file does not hold the weights of this network. The text says why."""


class NetworkOutput(NamedTuple):
    """Logits of the network for T steps."""

    curves: Tensor  # [B, T, LAGS, len(CURVES)]
    phonemes: Tensor  # [B, T, LAGS, len(PHONEMES)]


class CausalConv(nn.Module):
    """Causal dilated convolution as one matrix product; the caller keeps its past."""

    def __init__(self, channels: int, out: int, taps: int, dilation: int = 1) -> None:
        super().__init__()
        self.past = (taps - 1) * dilation
        self.channels, self.taps, self.dilation = channels, taps, dilation
        self._linear = nn.Linear(taps * channels, out)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return the output ``[B, T, out]`` and the past of the next call.

        ``x`` is ``[B, T, channels]``, ``past`` ``[B, self.past, channels]``.
        """
        whole = torch.cat([past, x], 1)
        steps = x.shape[1]
        starts = range(0, self.past + 1, self.dilation)
        taps = torch.cat([whole[:, i : i + steps] for i in starts], 2)
        return self._linear(taps), whole[:, steps:]


class Network(nn.Module):
    """
    Convolutions, a GRU and two output layers, 1.02 million weights.

    The attributes that hold layers name the arrays of a weights file.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stem = CausalConv(BANDS, _STEM, _TAPS)
        self._halve = CausalConv(2 * _STEM, _WIDTH, 2)
        self._blocks = nn.ModuleList(
            CausalConv(_WIDTH, _WIDTH, _TAPS, dilation) for dilation in _DILATIONS
        )
        self._norms = nn.ModuleList(nn.LayerNorm(_WIDTH) for _ in _DILATIONS)
        self._memory = nn.GRU(_WIDTH, _MEMORY, batch_first=True)
        self._joint = nn.Linear(_MEMORY + _WIDTH, _JOINT)
        self._curves = nn.Linear(_JOINT, LAGS * len(CURVES))
        self._sounds = nn.Linear(_JOINT, LAGS * len(PHONEMES))
        self._sizes = [layer.past * layer.channels for layer in self.convolutions()]

    def convolutions(self) -> list[CausalConv]:
        """Return the convolutions in the order of their pasts in the state."""
        return [self._stem, self._halve, *self._blocks]

    def initial_state(self) -> Tensor:
        """Return the state ``[S]`` of a stream before its first audio: silence."""
        silence = torch.full((self._sizes[0],), SILENCE)
        return torch.cat([silence, torch.zeros(sum(self._sizes[1:]) + _MEMORY)])

    def forward(self, mel: Tensor, state: Tensor) -> tuple[NetworkOutput, Tensor]:
        """
        Run the network on ``mel`` ``[B, 2 T, BANDS]`` from ``state`` ``[B, S]``.

        Return the output of the T steps and the next state.
        """
        batch = mel.shape[0]
        *pasts, memory = torch.split(state, [*self._sizes, _MEMORY], 1)
        layers = self.convolutions()
        pasts_by_layer = [
            past.view(batch, layer.past, layer.channels)
            for past, layer in zip(pasts, layers, strict=True)
        ]
        next_pasts = []
        x, past = self._stem(mel, pasts_by_layer[0])
        next_pasts.append(past)
        pairs = F.gelu(x).reshape(batch, -1, 2 * _STEM)
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
    """
    Return a network with the weights of an .npz file of float arrays.

    Raises `InvalidWeights` if the file is not one or is of another network.
    """
    network = Network()
    shapes = {name: tuple(w.shape) for name, w in network.state_dict().items()}
    arrays = Arrays(str(path), path.read_bytes(), InvalidWeights)
    arrays.refuse_others(shapes)
    network.load_state_dict(
        {name: arrays.tensor(name, "f", shape) for name, shape in shapes.items()}
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
