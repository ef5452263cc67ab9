"""Rig of a portrait for CPUs: native code draws a batch in one call."""

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from renderer.face import SIZE
from renderer.life.breath import breath_at
from renderer.portrait.native_parts import NativeParts
from renderer.portrait.parts import PortraitParts
from renderer.rig import Bytes, Floats, RigInput
from renderer.tensors import like, to_array

if TYPE_CHECKING:
    from torch import Tensor


class NativePortraitRig:
    """
    Renderer of one portrait at one frame size, without torch.

    Its scratch memory is part of it, so one thread at a time may draw with it. Python
    code of other threads runs meanwhile.
    """

    def __init__(self, parts: PortraitParts, library: ctypes.CDLL) -> None:
        self.width, self.height = parts.width, parts.height
        self.region = parts.region
        self._parts = NativeParts(parts)
        self._draw = library.portrait_draw
        self._draw.restype = None
        self._draw.argtypes = (
            *(ctypes.c_void_p, ctypes.c_int64),
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
        )

    @overload
    def draw(self, faces: "Tensor", rig_inputs: Sequence[RigInput]) -> "Tensor": ...
    @overload
    def draw(self, faces: Floats, rig_inputs: Sequence[RigInput]) -> Bytes: ...
    def draw(self, faces: Any, rig_inputs: Sequence[RigInput]) -> Any:
        """
        Draw ``faces`` ``[B, 57]`` float32 -> I420 ``[B, W*H*3//2]`` uint8.

        Values that are not finite are drawn as some finite ones.
        """
        count = len(rig_inputs)
        if faces.shape != (count, SIZE):
            raise ValueError(
                f"faces have the shape {list(faces.shape)}, expected [{count}, {SIZE}]"
            )
        weights = to_array(faces)
        breaths = np.array([breath_at(i.at_s) for i in rig_inputs], np.float32)
        frames = np.empty((count, self.width * self.height * 3 // 2), np.uint8)
        self._draw(
            ctypes.addressof(self._parts.struct), count,
            weights.ctypes.data, breaths.ctypes.data, frames.ctypes.data,
        )  # fmt: skip
        return like(faces, frames)
