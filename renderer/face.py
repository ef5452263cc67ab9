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

import torch
from torch import Tensor

from renderer.arkit import ARKIT

__all__ = ("ARKIT", "GAZE", "HEAD", "INDEX", "NAMES", "SIZE", "face")

HEAD = ("headYaw", "headPitch", "headRoll")
GAZE = ("gazeX", "gazeY")
NAMES = (*ARKIT, *HEAD, *GAZE)
SIZE = len(NAMES)
INDEX: Mapping[str, int] = {name: i for i, name in enumerate(NAMES)}  # in the face


def face(**weights: float) -> Tensor:
    """Return a face ``[57]`` from weights by name: ``face(jawOpen=0.7)``."""
    vector = torch.zeros(SIZE)
    for name, weight in weights.items():
        vector[INDEX[name]] = weight
    return vector
