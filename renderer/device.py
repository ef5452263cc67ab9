"""
Devices that frames are drawn on: the host, with native code, or a device of torch.

Torch is imported only for the latter: importing it takes seconds of a processor.
"""

import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from renderer.face import SIZE
from renderer.native.gpu_driver import has_gpu_driver
from renderer.native.library import library_for
from renderer.rig import Bytes, Floats, Rig, RigInput

_WARM_UP_PASSES = 3


class Device(Protocol):
    """Device that draws the faces of a pass."""

    name: str  # as torch names it, such as cpu

    @property
    def works_alone(self) -> bool:
        """Tell whether all work is done in the thread that asks for it."""
        ...

    def warm_up(self, rig: Rig) -> Rig:
        """Draw the first frames, which are slow. Return the rig to draw with."""
        ...

    def draw_time(self, rig: Rig) -> float:
        """Draw at least one face; return the time for each one, in seconds."""
        ...

    def draw(self, rig: Rig, faces: Floats, rig_inputs: Sequence[RigInput]) -> Any:
        """Begin to draw ``faces`` ``[B, 57]``; `read_back` returns the frames."""
        ...

    def read_back(self, batches: Sequence[Any]) -> list[Bytes]:
        """Return the frames ``[B, n]`` of each call of `draw`, in memory of theirs."""
        ...


class HostDevice:
    """This host, where rigs draw with native code, from arrays into arrays."""

    name = "cpu"
    works_alone = True

    def warm_up(self, rig: Rig) -> Rig:
        for _ in range(_WARM_UP_PASSES):
            self._draw_one(rig)
        return rig

    def draw_time(self, rig: Rig) -> float:
        started_s = time.thread_time()
        self._draw_one(rig)
        return time.thread_time() - started_s

    def _draw_one(self, rig: Rig) -> None:
        self.draw(rig, np.zeros((1, SIZE), np.float32), [RigInput(0, 0, 0.0, 0.0)])

    def draw(self, rig: Rig, faces: Floats, rig_inputs: Sequence[RigInput]) -> Bytes:
        return rig.draw(faces, rig_inputs)

    def read_back(self, batches: Sequence[Bytes]) -> list[Bytes]:
        return list(batches)


def open_device(
    name: str, native: bool | None, graphs: bool | None, threads: int | None
) -> Device:
    """
    Return the device of that name; ``auto`` is CUDA if available, else the CPU.

    `renderer.engine.Engine` explains the others.
    """
    name = pick_device(name)
    if library_for(name, native) is not None:
        return HostDevice()
    from renderer.torch_device import TorchDevice

    return TorchDevice(name, graphs, threads)


def limit_torch(threads: int) -> None:
    """
    Let torch use so many threads on the CPU, for a driver that may compute with it.

    It has one such number for the process.
    """
    import torch

    torch.set_num_threads(threads)


def pick_device(name: str) -> str:
    """Return torch's name of a device; ``auto`` is CUDA if available, else the CPU."""
    if name == "auto":
        return "cuda" if has_gpu() else "cpu"
    return name


def has_gpu() -> bool:
    """Return whether torch finds a GPU that it can use."""
    if not has_gpu_driver():
        return False
    import torch

    return torch.cuda.is_available()
