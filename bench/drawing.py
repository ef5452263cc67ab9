"""
Frames through the engine, timed by stage.

It imports torch, numpy and the renderer alone: it runs where nothing else is installed.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from renderer.avatar import Avatar, BrokenAvatar, load
from renderer.engine import STAGES, Engine, RenderJob, RenderSession
from renderer.frames import FrameRequest
from renderer.graphs import GraphedRig

AVATARS = Path(__file__).parents[1] / "assets" / "avatars"
FPS = 25
FRAME_MS = 1000 / FPS
_WARM = 5
_SAMPLES = 960  # of sound in a frame
_PASSES = 4  # of pictures kept to be compared


@dataclass(slots=True)
class Spent:
    """ms of each pass, whole and by stage."""

    passes: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(
        default_factory=lambda: {stage: [] for stage in STAGES}
    )


class Laps:
    """What an engine tells of its stages; each ends when the device has caught up."""

    def __init__(self) -> None:
        self._since_s = 0.0
        self.spent_ms: defaultdict[str, float] = defaultdict(float)

    def start(self) -> None:
        self.spent_ms.clear()
        self._since_s = time.perf_counter()

    def __call__(self, stage: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now_s = time.perf_counter()
        self.spent_ms[stage] += 1000 * (now_s - self._since_s)
        self._since_s = now_s


def _package(avatar: str) -> Path:
    folder = AVATARS / avatar
    return folder if folder.is_dir() else folder.with_suffix(".zip")


def missing(avatar: str) -> str:
    """Why that one cannot be drawn here; empty when it can."""
    try:
        load(_package(avatar))
    except BrokenAvatar as broken:
        return str(broken)
    except ImportError as absent:  # a portrait's pictures are read by Pillow
        return str(absent)
    return ""


class Easel:
    """An engine, and the sessions to draw with it."""

    def __init__(self, device: str, *, graphs: bool) -> None:
        self._laps = Laps()
        self.engine = Engine(device=device, graphs=graphs, on_stage_done=self._laps)
        self._avatars: dict[str, Avatar] = {}

    def open_sessions(
        self, avatar: str, width: int, height: int, many: int
    ) -> list[RenderSession]:
        """As many sessions of one avatar, each with a life of its own."""
        if avatar not in self._avatars:
            self._avatars[avatar] = load(_package(avatar))
        chosen = self._avatars[avatar]
        return [
            self.engine.open_session(chosen, width, height, seed=seed)
            for seed in range(many)
        ]

    def draw(
        self,
        render_sessions: Sequence[RenderSession],
        frames: int,
        longest_s: float = float("inf"),
    ) -> Spent:
        """``frames`` passes, fewer when time is over; speaking, as that costs most."""
        spent = Spent()
        voice = _noise(0)
        until_s = float("inf")
        for index in range(-_WARM, frames):
            if index == 0:
                until_s = time.perf_counter() + longest_s
            if time.perf_counter() > until_s:
                break
            jobs = [_job(session, index, voice) for session in render_sessions]
            self._laps.start()
            self.engine.render(jobs)
            if index >= 0:
                took = self._laps.spent_ms
                spent.passes.append(sum(took.values()))
                for stage, ms in spent.stages.items():
                    ms.append(took[stage])
        return spent

    def speaking(self, avatar: str, width: int, height: int, many: int) -> Tensor:
        """
        Pictures of some passes ``[passes * many, W*H*3//2]``, the same of any device.

        All are kept while the next are drawn: a buffer that is used again shows.
        """
        render_sessions = self.open_sessions(avatar, width, height, many)
        pictures = [
            picture
            for index in range(_PASSES)
            for picture in self.engine.render(
                [
                    _job(session, index, _noise(seed + index))
                    for seed, session in enumerate(render_sessions)
                ]
            )
        ]
        return torch.stack([torch.from_numpy(each.i420) for each in pictures])


def _job(session: RenderSession, index: int, voice: bytes) -> RenderJob:
    return RenderJob(
        session, FrameRequest(index, index / FPS, "talking", 1, voice, _SAMPLES, 0.5)
    )


def _noise(seed: int) -> bytes:
    """A frame of sound, duller with the seed: another mouth each."""
    noise = torch.randn(_SAMPLES, generator=torch.Generator().manual_seed(seed))
    for _ in range(seed % 3):
        noise = (noise + noise.roll(1)) / 1.6 + 0.4 * noise.roll(40)
    return (noise * 4000).clamp(-32768, 32767).to(torch.int16).numpy().tobytes()


def without_graphs(render_sessions: Sequence[RenderSession]) -> str:
    """Why these were not drawn by recordings; empty when they were."""
    for rig in {session.rig for session in render_sessions}:
        if not isinstance(rig, GraphedRig):
            return "the rig cannot be recorded"
        if rig.capture_error:
            return rig.capture_error
    return ""


def sessions(batch: int, pass_ms: float) -> int:
    """How many sessions passes of this batch and length keep up with at 25 frames."""
    return int(batch * 1000 / (pass_ms * FPS))


def difference(one: Tensor, other: Tensor) -> tuple[int, float]:
    """The largest and the mean difference of pictures of the same shape, in codes."""
    apart = (one.cpu().int() - other.cpu().int()).abs()
    return int(apart.max()), float(apart.float().mean())
