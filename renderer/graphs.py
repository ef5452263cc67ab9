"""
CUDA graphs: a rig's drawing recorded once for each size of batch, then replayed.

Drawing is some two hundred small operations; launching them one by one takes longer
than the device takes to do them.  A graph launches all of them at once, but only with
the shapes and addresses it was recorded with: batches are padded to the next of
`BATCHES`, and faces go in and pictures come out through buffers that stay.
"""

import bisect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from renderer.frames import RigInput

log = logging.getLogger(__name__)

BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_WARM = 3  # passes before a recording: libraries choose and load what they run

Draw = Callable[[], Tensor]
# Takes a drawing without arguments; gives what draws it again, from the same inputs.
Capture = Callable[[Draw], Draw]


@runtime_checkable
class GraphCapturable(Protocol):
    """
    What a rig offers beside `renderer.frames.Rig` to be recorded.

    ``pixels`` must be a function of its two tensors alone, stay on their device, and
    decide nothing by what they hold: no ``item``, no boolean index, no tensor made of
    Python numbers.  A picture must not depend on its neighbours in the batch.
    """

    width: int
    height: int

    def inputs(self, cues: Sequence[RigInput]) -> Tensor:
        """What ``pixels`` needs of the cues, on the host: ``[B, ...]``."""
        ...

    def pixels(self, faces: Tensor, inputs: Tensor) -> Tensor:
        """``faces`` ``[B, 57]`` float32 and ``inputs`` -> I420 ``[B, W*H*3//2]``."""
        ...


@dataclass(frozen=True, slots=True)
class CapturedGraph:
    """One size of batch: where its inputs go, and what draws them."""

    faces: Tensor  # [batch, 57]
    inputs: Tensor  # [batch, ...]
    replay: Draw


class GraphedRig:
    """
    A `Rig` that draws by recordings of another one.

    A size is recorded when it is first drawn, which takes some passes.  A rig that
    cannot be recorded is drawn as it is; ``failure`` says why.
    """

    def __init__(
        self, rig: GraphCapturable, device: torch.device, record: Capture
    ) -> None:
        self.width, self.height = rig.width, rig.height
        self.failure = ""
        self._rig = rig
        self._device = device
        self._record = record
        self._made: dict[int, CapturedGraph] = {}

    @property
    def batches(self) -> list[int]:
        """The sizes that were recorded."""
        return sorted(self._made)

    @torch.inference_mode()
    def draw(self, faces: Tensor, cues: Sequence[RigInput]) -> Tensor:
        """
        Like `Rig.draw`; what it gives is overwritten by the next call.

        Batches above the largest of `BATCHES` are drawn without a recording.
        """
        inputs = self._rig.inputs(cues)
        made = self._recording(faces, inputs)
        if made is None:
            return self._rig.pixels(faces, inputs.to(self._device))
        # Rows beyond stay what they were: faces that nobody looks at.
        made.faces[: len(cues)].copy_(faces)
        made.inputs[: len(cues)].copy_(inputs)
        return made.replay()[: len(cues)]

    def _recording(self, faces: Tensor, inputs: Tensor) -> CapturedGraph | None:
        """For a batch like this one, made if need be."""
        size = batch_for(len(faces))
        if size is None or self.failure:
            return None
        if size not in self._made:
            try:
                self._made[size] = self._recorded(size, faces, inputs)
            except RuntimeError as failed:  # what CUDA raises
                self.failure = f"batch {size}: {failed}"
                log.warning("a rig is drawn without graphs: %s", self.failure)
                return None
        return self._made[size]

    def _recorded(self, size: int, faces: Tensor, inputs: Tensor) -> CapturedGraph:
        still_faces, still_inputs = (
            torch.zeros(size, *t.shape[1:], dtype=t.dtype, device=self._device)
            for t in (faces, inputs)
        )
        replay = self._record(lambda: self._rig.pixels(still_faces, still_inputs))
        return CapturedGraph(still_faces, still_inputs, replay)


def batch_for(count: int) -> int | None:
    """The smallest recorded batch that holds ``count`` frames, None if none does."""
    place = bisect.bisect_left(BATCHES, count)
    return BATCHES[place] if place < len(BATCHES) else None


def graph_capture(device: torch.device) -> Capture:
    """Of one rig: graphs on CUDA; elsewhere the same buffers, drawn each time."""
    return _CudaCapture() if device.type == "cuda" else lambda draw: draw


class _CudaCapture:
    """
    Records CUDA graphs of one rig, in one pool of memory.

    A graph may overwrite what another one drew: a picture lasts until the rig draws
    the next.  Rigs do not share a pool, as a pass draws all of them before it reads.
    """

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call] # torch's
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, draw: Draw) -> Draw:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM):
                draw()
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        # Another thread may build a rig meanwhile: its calls are none of ours.
        with torch.cuda.graph(
            graph,
            pool=self._pool,
            stream=self._stream,
            capture_error_mode="thread_local",
        ):
            drawn = draw()

        def replay() -> Tensor:
            graph.replay()
            return drawn

        return replay
