"""
The renderer's front: jobs of many sessions in, their pictures out.

Synchronous and single-threaded: whoever calls it owns the thread.
"""

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
from renderer.frames import FrameRequest, Rig, RigInput, VideoFrame
from renderer.graphs import GraphCapturable, GraphedRig, graph_capture
from renderer.life.life import Life
from renderer.speech.driver import AudioChunk, Driver, drive
from renderer.speech.lip_driver import LipsDriver

RIGS_KEPT = 12  # tens of megabytes each at the larger sizes
_REHEARSED = 3
_FIRST_BATCHES = (1, 2, 3, 4, 6, 8)  # recorded before anybody waits for them
STAGES = ("driver", "life", "draw", "read-back")  # of a pass
_RELAX = 0.25  # of the mouth is left after a frame without speech: rest within three


@dataclass(slots=True, eq=False)
class RenderSession:
    """One session in the renderer: its rig, its life and what it is saying."""

    rig: Rig
    life: Life
    hearing: Any = None  # the driver's state
    turn: int = 0
    mouth: Tensor = field(default_factory=lambda: torch.zeros(SIZE))


@dataclass(frozen=True, slots=True)
class RenderJob:
    stage: RenderSession
    shot: FrameRequest


class Engine:
    """
    Draws frames. Rigs are shared by the sessions with the same avatar and size.

    ``graphs``: draw by recordings where the rig can be recorded; None: on CUDA.
    ``lap`` is told the name of each of `STAGES` when a pass has come through it.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        driver: Driver | None = None,
        graphs: bool | None = None,
        lap: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.device = pick_device(device)
        self._driver: Driver = driver or LipsDriver(device=self.device)
        if graphs is None:
            graphs = self.device.type == "cuda"
        self._graphs = graphs
        self._lap = lap
        self._rigs: OrderedDict[tuple[str, int, int], Rig] = OrderedDict()

    def stage(
        self, avatar: Avatar, width: int, height: int, *, seed: int
    ) -> RenderSession:
        """Set up one session; slow the first time an avatar is shown at a size."""
        key = (avatar.name, width, height)
        if key not in self._rigs:
            self._rigs[key] = self._rig(avatar, width, height)
        self._rigs.move_to_end(key)
        rig = self._rigs[key]
        while len(self._rigs) > RIGS_KEPT:
            self._rigs.popitem(last=False)  # whoever shows it still holds it
        return RenderSession(rig, Life(seed))

    def forget(self, names: set[str]) -> None:
        """These avatars have changed: draw new sessions anew, old ones as they are."""
        for key in [key for key in self._rigs if key[0] in names]:
            del self._rigs[key]

    def _rig(self, avatar: Avatar, width: int, height: int) -> Rig:
        rig = make_rig(avatar, width, height, self.device)
        _rehearse(rig, self.device, [1] * _REHEARSED)
        if self._graphs and isinstance(rig, GraphCapturable):
            recorded = GraphedRig(rig, self.device, graph_capture(self.device))
            _rehearse(recorded, self.device, _FIRST_BATCHES)
            return recorded
        return rig

    @torch.inference_mode()
    def render(self, jobs: Sequence[RenderJob]) -> list[VideoFrame]:
        """One picture a job, in their order. A stage appears at most once."""
        self._hear([job for job in jobs if job.shot.turn])
        self._lap("driver")
        faces = [_advance(job) for job in jobs]
        self._lap("life")
        by_rig = _by_rig(jobs)
        drawn = []
        for rig, places in by_rig.items():
            cues = [_cue(jobs[i].shot) for i in places]
            rows = torch.stack([faces[i] for i in places]).to(self.device)
            drawn.append(rig.draw(rows, cues))
        self._lap("draw")
        pictures: dict[int, VideoFrame] = {}
        for (rig, places), fetched in zip(by_rig.items(), fetch(drawn), strict=True):
            for i, i420 in zip(places, fetched, strict=True):
                pictures[i] = VideoFrame(rig.width, rig.height, i420)
        self._lap("read-back")
        return [pictures[i] for i in range(len(jobs))]

    def _hear(self, jobs: list[RenderJob]) -> None:
        """Let the driver hear what each speaking stage says, and move its mouth."""
        if not jobs:
            return
        heard = []
        for job in jobs:
            if job.stage.turn != job.shot.turn:
                job.stage.hearing = self._driver.begin()
                job.stage.turn = job.shot.turn
            heard.append(AudioChunk(samples(job.shot.pcm), job.shot.lead))
        faces = drive(self._driver, [job.stage.hearing for job in jobs], heard)
        for job, mouth in zip(jobs, faces, strict=True):
            job.stage.mouth = mouth


def _rehearse(rig: Rig, device: torch.device, batches: Sequence[int]) -> None:
    """The first pictures of a size are slow; nobody should have to watch them."""
    with torch.inference_mode():
        for batch in batches:
            cues = [RigInput(0, 0, 0.0, 0.0)] * batch
            rig.draw(torch.zeros(batch, SIZE, device=device), cues)


def fetch(drawn: Sequence[Tensor]) -> list[npt.NDArray[np.uint8]]:
    """
    Pictures ``[B, n]`` uint8 of each rig, on the host and nobody else's.

    Pinned memory is the only kind that a device copies into by itself; PyTorch keeps
    what is let go for the next time.
    """
    hosts = [_to_host(pictures) for pictures in drawn]
    if any(pictures.is_cuda for pictures in drawn):
        torch.cuda.current_stream().synchronize()
    return [host.numpy() for host in hosts]


def _to_host(pictures: Tensor) -> Tensor:
    """On the host, or on its way there."""
    if not pictures.is_cuda:
        return pictures.contiguous()
    host = torch.empty_like(pictures, device="cpu", pin_memory=True)
    return host.copy_(pictures, non_blocking=True)


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def samples(pcm: bytes) -> Tensor:
    """s16le bytes -> ``[n]`` float32 in -1..1."""
    return torch.from_numpy(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768)


def _advance(job: RenderJob) -> Tensor:
    """The stage's next face: life, and the mouth that speech gives or leaves behind."""
    stage, shot = job.stage, job.shot
    if shot.turn:
        stage.life.hear(shot.at_s, shot.turn, shot.pcm, shot.lead)
    else:
        stage.mouth = stage.mouth * _RELAX
    face = stage.life.face(shot.at_s, shot.pose, shot.emotion) + stage.mouth
    face[: len(ARKIT)].clamp_(0, 1)
    return face


def _by_rig(jobs: Sequence[RenderJob]) -> dict[Rig, list[int]]:
    places: defaultdict[Rig, list[int]] = defaultdict(list)
    for i, job in enumerate(jobs):
        places[job.stage.rig].append(i)
    return places


def _cue(shot: FrameRequest) -> RigInput:
    return RigInput(shot.index, shot.turn, shot.at_s, shot.level)
