"""Colours by the definition of BT.601, to compare with those that are drawn."""

import numpy as np
import numpy.typing as npt

KR, KB = 0.299, 0.114  # share of red and of blue in luma
LUMA, CHROMA = 219, 224  # codes of the limited range


def rgb_to_ycbcr(rgb: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return YCbCr ``[..., 3]`` in codes of 8 bits for RGB 0..1 ``[..., 3]``."""
    red, green, blue = np.moveaxis(np.asarray(rgb, np.float64), -1, 0)
    luma = KR * red + (1 - KR - KB) * green + KB * blue
    parts = [
        16 + LUMA * luma,
        128 + CHROMA * (blue - luma) / (2 * (1 - KB)),
        128 + CHROMA * (red - luma) / (2 * (1 - KR)),
    ]
    return np.stack(parts, -1).astype(np.float32)
