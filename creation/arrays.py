"""Types of the arrays that creation works on."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Whole = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.float32]  # [H, W, C] or [H, W]; a photo is sRGB 0..1
