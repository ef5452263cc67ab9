"""
Engine: renders the frames of many sessions in one pass.

It is synchronous. Two threads may use it at the same time: one that calls
`Engine.render`, and one that calls `Engine.open_session` and `Engine.evict`. Only the
second one touches the cache of rigs. It draws with a rig while it warms it up, before
any session has that rig; after that, only `Engine.render` draws with it. So one thread
at a time draws with a rig, and rigs may have scratch memory.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from renderer.avatar import Avatar, make_rig
from renderer.face import ARKIT, SIZE
from renderer.frames import FrameRequest, VideoFrame
from renderer.graphs import GraphCapturable, GraphedRig, graph_capture
from renderer.life.life import Life
from renderer.life.native_voice import voice_analysis
from renderer.rig import Rig, RigInput
from renderer.speech.driver import AudioChunk, Driver, drive
from renderer.speech.native_driver import make_lip_driver

Face = npt.NDArray[np.float32]

MAX_RIGS = 12  # in the cache; a rig takes tens of megabytes at the larger sizes
_WARM_UP_PASSES = 3
_TIMED_DRAWS = 2
_WARM_UP_BATCHES = (1, 2, 3, 4, 6, 8)  # graphs captured before the first session
STAGES = ("driver", "life", "draw", "read-back")  # of a pass, in their order
# Share of the mouth's weights that is left after each frame without speech, drawn or
# left out: below 2 % after three frames.
_MOUTH_DECAY = 0.25


@dataclass(slots=True, eq=False)
class RenderSession:
    """Render state of one session: its rig, idle motion, driver state and mouth."""

    rig: Rig
    life: Life
    driver_state: Any = None  # made by `Driver.begin`, for the turn below
    turn: int = 0  # number of the latest turn that the driver got audio of
    index: int = -1  # of the latest frame
    mouth: Face = field(default_factory=lambda: np.zeros(SIZE, np.float32))


@dataclass(frozen=True, slots=True)
class RenderJob:
    """Frame request together with the session that it belongs to."""

    session: RenderSession
    request: FrameRequest


class Engine:
    """
    Renderer of all sessions. Sessions with the same avatar and size share a rig.

    ``graphs``: use CUDA graphs for the rigs that support them; None: only on CUDA.
    ``native``: use native code for what has it; None: on a CPU that has a build.
    ``on_stage_done`` is called with each name of `STAGES` when a pass completes it.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        driver: Driver | None = None,
        graphs: bool | None = None,
        native: bool | None = None,
        on_stage_done: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.device = pick_device(device)
        self._own_driver = driver is None
        self._driver: Driver = driver or make_lip_driver(self.device, native)
        self._begin_voice = voice_analysis(self.device, native)
        if graphs is None:
            graphs = self.device.type == "cuda"
        self._graphs = graphs
        self._native = native
        self._on_stage_done = on_stage_done
        # By avatar name, width and height; least recently used first.
        self._rigs: OrderedDict[tuple[str, int, int], Rig] = OrderedDict()
        self._draw_times: dict[tuple[str, int, int], float] = {}  # of the cached rigs

    @property
    def works_alone(self) -> bool:
        """Tell whether a pass does all its work in the thread that calls `render`."""
        on_cpu = self.device.type == "cpu" and torch.get_num_threads() == 1
        return on_cpu and self._own_driver

    def open_session(
        self, avatar: Avatar, width: int, height: int, *, seed: int
    ) -> RenderSession:
        """
        Return the render state of a new session; ``seed`` is that of its idle motion.

        The first session of an avatar at a size builds and warms up a rig, which takes
        up to seconds.
        """
        key = (avatar.name, width, height)
        if key not in self._rigs:
            self._rigs[key] = rig = self._make_rig(avatar, width, height)
            self._draw_times[key] = self._time_draw(rig)
        self._rigs.move_to_end(key)
        rig = self._rigs[key]
        while len(self._rigs) > MAX_RIGS:
            oldest, _ = self._rigs.popitem(last=False)  # open sessions keep their own
            del self._draw_times[oldest]
        return RenderSession(rig, Life(seed, self._begin_voice))

    def draw_time(self, avatar: str, width: int, height: int) -> float | None:
        """
        Return the time to draw one face, in seconds, as measured with the rig's build.

        None: the rig is not in the cache. The face is at rest; one that speaks takes a
        little longer. Any thread may call this.
        """
        return self._draw_times.get((avatar, width, height))

    def evict(self, names: set[str]) -> None:
        """
        Drop the cached rigs of avatars that have changed.

        New sessions get a new rig; open sessions keep the old one.
        """
        for key in [key for key in self._rigs if key[0] in names]:
            del self._rigs[key], self._draw_times[key]

    def _make_rig(self, avatar: Avatar, width: int, height: int) -> Rig:
        rig = make_rig(avatar, width, height, self.device, self._native)
        _warm_up(rig, self.device, [1] * _WARM_UP_PASSES)
        if self._graphs and isinstance(rig, GraphCapturable):
            graphed = GraphedRig(rig, self.device, graph_capture(self.device))
            _warm_up(graphed, self.device, _WARM_UP_BATCHES)
            return graphed
        return rig

    def _time_draw(self, rig: Rig) -> float:
        """Return the least time to draw one face, in seconds, of a few tries."""
        on_gpu = self.device.type == "cuda"
        clock = time.perf_counter if on_gpu else time.thread_time
        size = _WARM_UP_BATCHES[-1] if on_gpu else 1
        times_s = []
        for _ in range(_TIMED_DRAWS):
            started_s = clock()
            _warm_up(rig, self.device, [size])
            if on_gpu:
                torch.cuda.synchronize()
            times_s.append((clock() - started_s) / size)
        return min(times_s)

    @torch.inference_mode()
    def render(self, jobs: Sequence[RenderJob]) -> list[VideoFrame]:
        """
        Render one frame for each job, in the order of the jobs.

        A session appears at most once. Raises `InvalidFaces` for a wrong driver result.
        """
        self._drive([job for job in jobs if job.request.turn])
        self._on_stage_done("driver")
        faces = _next_faces(jobs)
        self._on_stage_done("life")
        by_rig = _by_rig(jobs)
        batches = []
        for rig, indices in by_rig.items():
            rig_inputs = [_rig_input(jobs[i].request) for i in indices]
            batch = torch.from_numpy(faces[indices]).to(self.device)
            batches.append(rig.draw(batch, rig_inputs))
        self._on_stage_done("draw")
        frames: dict[int, VideoFrame] = {}
        arrays = read_back(batches)
        for (rig, indices), rows in zip(by_rig.items(), arrays, strict=True):
            for i, i420 in zip(indices, rows, strict=True):
                frames[i] = VideoFrame(rig.width, rig.height, i420)
        self._on_stage_done("read-back")
        return [frames[i] for i in range(len(jobs))]

    def _drive(self, jobs: list[RenderJob]) -> None:
        """Give the driver the new audio of speaking sessions and set their mouths."""
        if not jobs:
            return
        chunks = []
        for job in jobs:
            session, request = job.session, job.request
            if session.turn != request.turn:
                session.driver_state = self._driver.begin()
                session.turn = request.turn
            chunks.append(AudioChunk(samples(request.pcm), request.lookahead_samples))
        states = [job.session.driver_state for job in jobs]
        faces = drive(self._driver, states, chunks)
        mouths = faces.detach().float().cpu().numpy()
        for job, mouth in zip(jobs, mouths, strict=True):
            job.session.mouth = mouth


def _warm_up(rig: Rig, device: torch.device, batch_sizes: Sequence[int]) -> None:
    """Draw some batches, because the first frames of each size are slow."""
    with torch.inference_mode():
        for size in batch_sizes:
            rig_inputs = [RigInput(0, 0, 0.0, 0.0)] * size
            rig.draw(torch.zeros(size, SIZE, device=device), rig_inputs)


def read_back(batches: Sequence[Tensor]) -> list[npt.NDArray[np.uint8]]:
    """
    Copy the frames ``[B, n]`` uint8 of each rig to host memory that nothing else uses.

    Host memory is pinned, because CUDA copies asynchronously only into pinned memory.
    PyTorch caches released pinned buffers and reuses them.
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


def has_gpu() -> bool:
    """Return whether torch finds a GPU that it can use."""
    return torch.cuda.is_available()


def pick_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is CUDA if available, else the CPU."""
    if name == "auto":
        name = "cuda" if has_gpu() else "cpu"
    return torch.device(name)


def samples(pcm: bytes) -> Tensor:
    """Convert s16le bytes to ``[n]`` float32 in -1..1."""
    return torch.from_numpy(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768)


def _next_faces(jobs: Sequence[RenderJob]) -> Face:
    """Return the sessions' next faces ``[B, 57]``: idle motion plus the mouth."""
    faces = np.empty((len(jobs), SIZE), np.float32)
    mouths = np.empty_like(faces)
    for i, job in enumerate(jobs):
        session, request = job.session, job.request
        if request.turn:
            session.life.add_audio(
                request.at_s, request.turn, request.pcm, request.lookahead_samples
            )
        else:
            frames = max(1, request.index - session.index)
            session.mouth = session.mouth * _MOUTH_DECAY**frames
        session.index = request.index
        faces[i] = session.life.values(request.at_s, request.pose, request.emotion)
        mouths[i] = session.mouth
    weights = faces[:, : len(ARKIT)]
    weights.clip(0, 1, out=weights)
    faces += mouths
    weights.clip(0, 1, out=weights)
    return faces


def _by_rig(jobs: Sequence[RenderJob]) -> dict[Rig, list[int]]:
    """Return the indices of the jobs of each rig."""
    indices: defaultdict[Rig, list[int]] = defaultdict(list)
    for i, job in enumerate(jobs):
        indices[job.session.rig].append(i)
    return indices


def _rig_input(request: FrameRequest) -> RigInput:
    return RigInput(request.index, request.turn, request.at_s, request.level)
