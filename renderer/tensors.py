"""
Tensors of torch at interfaces that also take numpy arrays.

Importing torch takes seconds of a processor and 200 MB, and native code needs none of
it. So modules that native code uses do not import torch: they meet tensors only where
a caller has them.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor


def is_tensor(value: object) -> "TypeGuard[Tensor]":
    """Tell whether a value is a tensor, without importing torch."""
    # A module that another thread is importing lacks its names, and has no tensors yet.
    tensor_type = getattr(sys.modules.get("torch"), "Tensor", None)
    return tensor_type is not None and isinstance(value, tensor_type)


def to_array(values: Any) -> npt.NDArray[np.float32]:
    """Return an array, or a tensor of any device, as a float32 array in row order."""
    if is_tensor(values):
        values = values.detach().float().cpu().numpy()  # numpy has no bfloat16
    return np.ascontiguousarray(values, np.float32)


def like(given: object, result: npt.NDArray[Any]) -> Any:
    """Return ``result`` as a tensor on the device of ``given`` if that is a tensor."""
    if not is_tensor(given):
        return result
    from torch import from_numpy

    return from_numpy(result).to(given.device)


def namespace(values: object) -> ModuleType:
    """Return the module of a value's functions: torch for a tensor, else numpy."""
    return sys.modules["torch"] if is_tensor(values) else np
