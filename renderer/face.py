"""
Face vector: interface between drivers and idle motion, and the rigs that draw it.

A face has 57 float32 values: the 52 ARKit blendshape weights in Apple's order
(0 = rest, 1 = fully on; "Left" is the person's left, on the right of the image),
then head rotation in radians and gaze. Signs are those of the image:

* ``headYaw``   > 0 turns the nose towards the right edge of the image,
* ``headPitch`` > 0 lifts the chin,
* ``headRoll``  > 0 tips the head clockwise,
* ``gazeX``, ``gazeY`` in -1..1: > 0 looks to the right of the image, and up.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from renderer.arkit import ARKIT

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ("ARKIT", "GAZE", "HEAD", "INDEX", "NAMES", "SIZE", "face", "face_array")

HEAD = ("headYaw", "headPitch", "headRoll")
GAZE = ("gazeX", "gazeY")
NAMES = (*ARKIT, *HEAD, *GAZE)
SIZE = len(NAMES)
INDEX: Mapping[str, int] = {name: i for i, name in enumerate(NAMES)}  # in the face


def face(**weights: float) -> "Tensor":
    """Return a face ``[57]`` from weights by name: ``face(jawOpen=0.7)``."""
    import torch  # `face_array` does not need it

    return torch.from_numpy(face_array(**weights))


def face_array(**weights: float) -> npt.NDArray[np.float32]:
    """Return the face ``[57]`` that `face` returns, as an array."""
    values = np.zeros(SIZE, np.float32)
    for name, weight in weights.items():
        values[INDEX[name]] = weight
    return values
