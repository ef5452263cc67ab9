"""
Weights of a network from a safetensors file, with torch alone.

The renderer needs nothing besides torch and numpy, so that it runs wherever they do.
Format: https://huggingface.co/docs/safetensors, of which float32 is enough here.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_LENGTH = 8  # bytes of the header's own length, little-endian


class BadWeights(Exception):
    """The text says what was wrong with the file."""


def load(path: Path) -> dict[str, Tensor]:
    """Tensors by name; `BadWeights` for a file that is none, or not float32."""
    data = bytearray(path.read_bytes())
    start = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    try:
        header = json.loads(data[_LENGTH:start])
        return {
            name: _tensor(data, start, kept)
            for name, kept in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as wrong:
        want = "a safetensors file of float32"
        raise BadWeights(f"{path} is not {want}: {wrong}") from None


def _tensor(data: bytearray, start: int, kept: dict[str, Any]) -> Tensor:
    if kept["dtype"] != "F32":
        raise ValueError(f"a tensor is {kept['dtype']}")
    first, end = kept["data_offsets"]
    if start + end > len(data):
        raise ValueError("it was cut short")
    values = torch.frombuffer(
        data, dtype=torch.float32, count=(end - first) // 4, offset=start + first
    )
    return values.clone().view(kept["shape"])
