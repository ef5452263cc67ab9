"""Device of torch: CUDA, or a CPU that has no native build."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from renderer.device import limit_torch
from renderer.face import SIZE
from renderer.graphs import GraphCapturable, GraphedRig, graph_capture
from renderer.rig import Bytes, Floats, Rig, RigInput

_WARM_UP_PASSES = 3
_WARM_UP_BATCHES = (1, 2, 3, 4, 6, 8)  # graphs captured before the first session


class TorchDevice:
    """Device whose rigs draw from tensors into tensors."""

    def __init__(
        self, name: str, graphs: bool | None = None, threads: int | None = None
    ) -> None:
        """
        Open a device by torch's name for it.

        ``graphs``: use CUDA graphs; None: on CUDA. ``threads`` of torch on the CPU, of
        which it has one number for the process; None: leave that as it is.
        """
        self.name = name
        self._device = torch.device(name)
        self._on_gpu = self._device.type == "cuda"
        self._graphs = self._on_gpu if graphs is None else graphs
        if threads is not None:
            limit_torch(threads)

    @property
    def works_alone(self) -> bool:
        """Tell whether all work is done in the thread that asks for it."""
        return self._device.type == "cpu" and torch.get_num_threads() == 1

    def warm_up(self, rig: Rig) -> Rig:
        """Draw the first frames of each batch size, and capture them as CUDA graphs."""
        self._draw_batches(rig, [1] * _WARM_UP_PASSES)
        if self._graphs and isinstance(rig, GraphCapturable):
            graphed = GraphedRig(rig, self._device, graph_capture(self._device))
            self._draw_batches(graphed, _WARM_UP_BATCHES)
            return graphed
        return rig

    def draw_time(self, rig: Rig) -> float:
        """Draw a batch and return the time for each face, in seconds."""
        clock = time.perf_counter if self._on_gpu else time.thread_time
        size = _WARM_UP_BATCHES[-1] if self._on_gpu else 1
        started_s = clock()
        self._draw_batches(rig, [size])
        if self._on_gpu:
            torch.cuda.synchronize()
        return (clock() - started_s) / size

    @torch.inference_mode()
    def _draw_batches(self, rig: Rig, sizes: Sequence[int]) -> None:
        for size in sizes:
            rig_inputs = [RigInput(0, 0, 0.0, 0.0)] * size
            rig.draw(torch.zeros(size, SIZE, device=self._device), rig_inputs)

    @torch.inference_mode()
    def draw(self, rig: Rig, faces: Floats, rig_inputs: Sequence[RigInput]) -> Tensor:
        """Return the frames ``[B, n]`` of ``faces`` ``[B, 57]``, on this device."""
        return rig.draw(torch.from_numpy(faces).to(self._device), rig_inputs)

    @torch.inference_mode()
    def read_back(self, batches: Sequence[Tensor]) -> list[Bytes]:
        """
        Copy the frames ``[B, n]`` of each rig to host memory that nothing else uses.

        Host memory is pinned, because CUDA copies asynchronously only into pinned
        memory. PyTorch caches released pinned buffers and reuses them.
        """
        hosts = [_to_host(frames) for frames in batches]
        if any(frames.is_cuda for frames in batches):
            torch.cuda.current_stream().synchronize()
        return [host.numpy() for host in hosts]


def _to_host(frames: Tensor) -> Tensor:
    """Return a host tensor; on CUDA its copy may still be in progress."""
    if not frames.is_cuda:
        return frames.contiguous()
    host = torch.empty_like(frames, device="cpu", pin_memory=True)
    return host.copy_(frames, non_blocking=True)
