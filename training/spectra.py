"""Sizes and noise of long Fourier transforms, in single precision."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_FACTORS = (4, 5, 6, 7)  # a size is one of them times a power of 2


def fft_size(length: int) -> int:
    """Return a size of at least ``length`` that is fast to transform.

    It is at most a quarter larger. A prime size takes several times as long.
    """
    exponent = max(0, (length - 1).bit_length() - 3)
    return min(n for f in _FACTORS for n in (f << exponent, f << exponent + 1)
               if n >= length)  # fmt: skip


def white_noise(length: int, rng: np.random.Generator) -> Array:
    """Return normal noise ``[length]`` float32."""
    return rng.standard_normal(length, np.float32)
