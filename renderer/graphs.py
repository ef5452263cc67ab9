"""
CUDA graphs: capture a rig's drawing once for each batch size, then replay it.

Drawing takes some two hundred small operations; launching them one by one takes longer
than the device takes to do them. A graph launches all of them at once, but only with
the shapes and addresses of its capture. So batches are padded to the next of
`BATCH_SIZES`, and faces and frames go through buffers that stay allocated.
"""

import bisect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload, runtime_checkable

import torch
from torch import Tensor

from renderer.rig import Bytes, Floats, RigInput

log = logging.getLogger(__name__)

BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
# Passes before a capture: in these, CUDA libraries choose and load their kernels.
_WARM_UP_PASSES = 3

Draw = Callable[[], Tensor]
# Takes a drawing function without arguments and returns one that replays it: the
# result has the same inputs, at the same addresses.
Capture = Callable[[Draw], Draw]


@runtime_checkable
class GraphCapturable(Protocol):
    """
    Methods of a rig, besides `renderer.rig.Rig`, that allow graph capture.

    ``draw_pixels`` must be a function of its two tensors alone, stay on their device,
    and never branch on their values: no ``item``, no boolean index, no tensor made of
    Python numbers. A frame must not depend on the other frames of the batch.
    """

    width: int
    height: int

    def pack_inputs(self, rig_inputs: Sequence[RigInput]) -> Tensor:
        """Return, on the host, the tensor ``[B, ...]`` that ``draw_pixels`` needs."""
        ...

    def draw_pixels(self, faces: Tensor, inputs: Tensor) -> Tensor:
        """Draw ``faces`` ``[B, 57]`` float32 -> I420 ``[B, W*H*3//2]`` uint8."""
        ...


@dataclass(frozen=True, slots=True)
class CapturedGraph:
    """Graph of one batch size, with its input buffers."""

    faces: Tensor  # [batch, 57]
    inputs: Tensor  # [batch, ...]
    replay: Draw


class GraphedRig:
    """
    Rig that draws another rig by captured graphs.

    A batch size is captured when it is first drawn, which takes some passes. If a
    capture fails, the rig is drawn without graphs from then on and ``capture_error``
    gives the reason.
    """

    def __init__(
        self, rig: GraphCapturable, device: torch.device, capture: Capture
    ) -> None:
        self.width, self.height = rig.width, rig.height
        self.capture_error = ""
        self._rig = rig
        self._device = device
        self._capture = capture
        self._graphs: dict[int, CapturedGraph] = {}  # by batch size

    @property
    def captured_sizes(self) -> list[int]:
        """Batch sizes that have been captured, ascending."""
        return sorted(self._graphs)

    @overload
    def draw(self, faces: Tensor, rig_inputs: Sequence[RigInput]) -> Tensor: ...
    @overload
    def draw(self, faces: Floats, rig_inputs: Sequence[RigInput]) -> Bytes: ...
    def draw(self, faces: Any, rig_inputs: Sequence[RigInput]) -> Any:
        """
        Draw like `Rig.draw`; the next call overwrites the returned tensor.

        Batches above the largest of `BATCH_SIZES` are drawn without a graph.
        """
        on_device = torch.as_tensor(faces).to(self._device)
        frames = self._draw(on_device, rig_inputs)
        return frames if isinstance(faces, Tensor) else frames.cpu().numpy()

    @torch.inference_mode()
    def _draw(self, faces: Tensor, rig_inputs: Sequence[RigInput]) -> Tensor:
        inputs = self._rig.pack_inputs(rig_inputs)
        graph = self._graph_for(faces, inputs)
        if graph is None:
            return self._rig.draw_pixels(faces, inputs.to(self._device))
        # The padding rows keep their old values: their frames are discarded.
        count = len(rig_inputs)
        graph.faces[:count].copy_(faces)
        graph.inputs[:count].copy_(inputs)
        return graph.replay()[:count]

    def _graph_for(self, faces: Tensor, inputs: Tensor) -> CapturedGraph | None:
        """Return the graph for a batch of this size; capture it if there is none."""
        size = padded_batch_size(len(faces))
        if size is None or self.capture_error:
            return None
        if size not in self._graphs:
            try:
                self._graphs[size] = self._capture_graph(size, faces, inputs)
            except RuntimeError as error:  # the class that CUDA errors have in PyTorch
                self.capture_error = f"batch {size}: {error}"
                log.warning("a rig is drawn without graphs: %s", self.capture_error)
                return None
        return self._graphs[size]

    def _capture_graph(self, size: int, faces: Tensor, inputs: Tensor) -> CapturedGraph:
        static_faces, static_inputs = (
            torch.zeros(size, *t.shape[1:], dtype=t.dtype, device=self._device)
            for t in (faces, inputs)
        )
        replay = self._capture(
            lambda: self._rig.draw_pixels(static_faces, static_inputs)
        )
        return CapturedGraph(static_faces, static_inputs, replay)


def padded_batch_size(count: int) -> int | None:
    """Return the smallest of `BATCH_SIZES` that holds ``count`` frames, or None."""
    i = bisect.bisect_left(BATCH_SIZES, count)
    return BATCH_SIZES[i] if i < len(BATCH_SIZES) else None


def graph_capture(device: torch.device) -> Capture:
    """
    Return the capture function for one rig.

    Off CUDA there are no graphs: the drawing runs each time, in the same buffers.
    """
    return _CudaCapture() if device.type == "cuda" else lambda draw: draw


class _CudaCapture:
    """
    CUDA graph capture of one rig, with one memory pool for all of its graphs.

    A graph may overwrite the output of another one: a frame is valid until the rig
    draws the next. Rigs do not share a pool, because a pass draws all rigs before it
    reads any frame back.
    """

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call] # torch's
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, draw: Draw) -> Draw:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP_PASSES):
                draw()
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        # "thread_local": another thread may build a rig during the capture, and its
        # CUDA calls must not make the capture fail.
        with torch.cuda.graph(
            graph,
            pool=self._pool,
            stream=self._stream,
            capture_error_mode="thread_local",
        ):
            frames = draw()

        def replay() -> Tensor:
            graph.replay()
            return frames

        return replay
