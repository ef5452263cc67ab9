"""
The network that hears: log-mel frames in, what the mouth does out, causal.

Every 20 ms it says what the mouth did at seven moments: now, 20 ms ago, .. 120 ms ago.
The further back, the more it has heard since: one pass serves every look-ahead.

The state of a listener is one flat vector, so that those of many sessions make a batch
by stacking.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from renderer.frames import SAMPLE_RATE
from renderer.speech.mel import BANDS, HOP, SILENCE
from renderer.speech.phonemes import SOUNDS

STEP = 2 * HOP  # samples of a step: 20 ms
STEP_S = STEP / SAMPLE_RATE
LAGS = 7  # read-outs, a step apart
CURVES = ("jaw", "shut", "bite", "round", "funnel", "spread", "teeth", "tongue", "rest")

_STEM, _WIDTH, _MEMORY, _JOINT = 96, 192, 256, 192
_DILATIONS = (1, 2, 4, 8)
_TAPS = 3


class NetworkOutput(NamedTuple):
    """Logits of `CURVES` and of `SOUNDS`: ``[B, T, LAGS, each]``."""

    curves: Tensor
    sounds: Tensor


class _Taps(nn.Module):
    """A causal dilated convolution as one matrix product, with its past given."""

    def __init__(self, wide: int, out: int, taps: int, dilation: int = 1) -> None:
        super().__init__()
        self.past = (taps - 1) * dilation
        self.wide = wide
        self._dilation = dilation
        self._linear = nn.Linear(taps * wide, out)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, T, wide]`` after ``[B, past, wide]`` -> ``[B, T, out]``, next past."""
        seen = torch.cat([past, x], 1)
        steps = x.shape[1]
        starts = range(0, self.past + 1, self._dilation)
        taps = torch.cat([seen[:, at : at + steps] for at in starts], 2)
        return self._linear(taps), seen[:, steps:]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self._stem = _Taps(BANDS, _STEM, _TAPS)
        self._halve = _Taps(2 * _STEM, _WIDTH, 2)
        self._blocks = nn.ModuleList(
            _Taps(_WIDTH, _WIDTH, _TAPS, dilation) for dilation in _DILATIONS
        )
        self._norms = nn.ModuleList(nn.LayerNorm(_WIDTH) for _ in _DILATIONS)
        self._memory = nn.GRU(_WIDTH, _MEMORY, batch_first=True)
        self._joint = nn.Linear(_MEMORY + _WIDTH, _JOINT)
        self._curves = nn.Linear(_JOINT, LAGS * len(CURVES))
        self._sounds = nn.Linear(_JOINT, LAGS * len(SOUNDS))
        self._sizes = [layer.past * layer.wide for layer in self._convolutions()]

    def _convolutions(self) -> list[_Taps]:
        return [self._stem, self._halve, *self._blocks]

    def rest(self) -> Tensor:
        """The state ``[S]`` of a listener who has heard nothing but silence."""
        silence = torch.full((self._sizes[0],), SILENCE)
        return torch.cat([silence, torch.zeros(sum(self._sizes[1:]) + _MEMORY)])

    def forward(self, mel: Tensor, state: Tensor) -> tuple[NetworkOutput, Tensor]:
        """Run ``mel`` ``[B, 2 T, BANDS]`` from ``state`` ``[B, S]``; return both."""
        batch = mel.shape[0]
        *pasts, memory = torch.split(state, [*self._sizes, _MEMORY], 1)
        layers = self._convolutions()
        before = [
            past.view(batch, layer.past, layer.wide)
            for past, layer in zip(pasts, layers, strict=True)
        ]
        after = []
        x, past = self._stem(mel, before[0])
        after.append(past)
        pairs = F.gelu(x).reshape(batch, -1, 2 * _STEM)
        x, past = self._halve(pairs, before[1])
        after.append(past)
        x = F.gelu(x)
        for block, norm, past in zip(
            self._blocks, self._norms, before[2:], strict=True
        ):
            y, past = block(norm(x), past)
            after.append(past)
            x = x + F.gelu(y)
        heard, memory = self._memory(x, memory[None].contiguous())
        joint = F.gelu(self._joint(torch.cat([heard, x], 2)))
        shape = (*joint.shape[:2], LAGS, -1)
        said = NetworkOutput(
            self._curves(joint).view(shape), self._sounds(joint).view(shape)
        )
        return said, torch.cat([*(past.flatten(1) for past in after), memory[0]], 1)
