"""
Render passes of the engine, timed by stage.

It imports only torch, numpy, Pillow and the renderer: it also runs where nothing else
is installed.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from renderer.avatar import Avatar, load
from renderer.engine import STAGES, Engine, RenderJob, RenderSession
from renderer.frames import FrameRequest, VideoFrame
from renderer.graphs import GraphedRig

AVATARS = Path(__file__).parents[1] / "assets" / "avatars"
FPS = 25
FRAME_MS = 1000 / FPS
CLOSE_CODES, MAX_MEAN_CODES, MAX_SHARE_BEYOND = 2, 0.1, 1e-4
WARM_UP = 5  # passes before the first that is timed
FRAME_SAMPLES = 960  # audio of a frame at 24 kHz
_COMPARED_PASSES = 4


@dataclass(slots=True)
class PassTimes:
    """Duration of each pass in ms, in total and by stage."""

    passes: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(
        default_factory=lambda: {stage: [] for stage in STAGES}
    )

    def add(self, spent_ms: Mapping[str, float]) -> None:
        """Add a pass by the time that each stage took."""
        self.passes.append(sum(spent_ms.values()))
        for stage, stage_ms in self.stages.items():
            stage_ms.append(spent_ms[stage])


@dataclass(frozen=True, slots=True)
class PixelDifference:
    """Distance between frames of two devices, or of two builds, in codes."""

    most: int
    mean: float
    beyond: float  # share of the bytes that are more than `CLOSE_CODES` apart

    @property
    def within_rounding(self) -> bool:
        """Tell whether the difference is one of rounding, which devices may have."""
        return self.mean <= MAX_MEAN_CODES and self.beyond <= MAX_SHARE_BEYOND


class StageTimer:
    """
    The engine's ``on_stage_done``: adds up the time of each stage of a pass.

    ``clock`` is `time.perf_counter`, or `time.thread_time` for processor time.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._since_s = 0.0
        self.spent_ms: defaultdict[str, float] = defaultdict(float)

    def start(self) -> None:
        """Begin a pass."""
        self.spent_ms.clear()
        self._since_s = self._clock()

    def __call__(self, stage: str) -> None:
        """End a stage, once the device has finished its work."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now_s = self._clock()
        self.spent_ms[stage] += 1000 * (now_s - self._since_s)
        self._since_s = now_s


def _package(avatar: str) -> Path:
    """Return the package of a shipped avatar, or of a path, which stays as it is."""
    folder = AVATARS / avatar
    return folder if folder.is_dir() else folder.with_suffix(".zip")


class EngineBench:
    """
    Engine with timers, and the sessions that it renders.

    ``wall`` and ``cpu`` have the times of the latest pass: elapsed, and processor time
    of the thread.
    """

    def __init__(
        self, device: str, *, graphs: bool, native: bool | None = None
    ) -> None:
        self.wall, self.cpu = StageTimer(), StageTimer(time.thread_time)
        self.engine = Engine(
            device=device, graphs=graphs, native=native, on_stage_done=self._stage_done
        )
        self._avatars: dict[str, Avatar] = {}

    def open_sessions(
        self, avatar: str, width: int, height: int, count: int
    ) -> list[RenderSession]:
        """
        Return sessions of one avatar whose idle motion differs.

        ``avatar`` is a shipped one or the path of a package. Raises `BrokenAvatar`.
        """
        if avatar not in self._avatars:
            self._avatars[avatar] = load(_package(avatar))
        package = self._avatars[avatar]
        return [
            self.engine.open_session(package, width, height, seed=seed)
            for seed in range(count)
        ]

    def render(self, jobs: Sequence[RenderJob]) -> list[VideoFrame]:
        """Render a pass and time it."""
        self.cpu.start()
        self.wall.start()
        return self.engine.render(jobs)

    def _stage_done(self, stage: str) -> None:
        self.wall(stage)
        self.cpu(stage)

    def time_passes(
        self,
        sessions: Sequence[RenderSession],
        passes: int,
        max_s: float = float("inf"),
    ) -> PassTimes:
        """
        Render one frame of every session ``passes`` times, for at most ``max_s``.

        The sessions speak: that is the most expensive pose.
        """
        times = PassTimes()
        voice = _noise(0)
        until_s = float("inf")
        for index in range(-WARM_UP, passes):
            if index == 0:
                until_s = time.perf_counter() + max_s
            if time.perf_counter() > until_s:
                break
            self.render([_job(session, index, voice) for session in sessions])
            if index >= 0:
                times.add(self.wall.spent_ms)
        return times

    def render_speech(self, avatar: str, width: int, height: int, count: int) -> Tensor:
        """
        Return the frames of some passes, ``[passes * count, W*H*3//2]`` uint8 I420.

        The input is the same on every device. All frames are kept while the next are
        rendered, so that a buffer that is reused too early shows as a difference.
        """
        sessions = self.open_sessions(avatar, width, height, count)
        frames = [
            frame
            for index in range(_COMPARED_PASSES)
            for frame in self.engine.render(
                [
                    _job(session, index, _noise(seed + index))
                    for seed, session in enumerate(sessions)
                ]
            )
        ]
        return torch.stack([torch.from_numpy(frame.i420) for frame in frames])


def _job(session: RenderSession, index: int, voice: bytes) -> RenderJob:
    position = (index, index / FPS, "talking", 1)
    return RenderJob(session, FrameRequest(*position, voice, FRAME_SAMPLES, 0.5))


def _noise(seed: int) -> bytes:
    """Return a frame of noise, low-passed by seed: it gives another mouth each time."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(FRAME_SAMPLES, generator=generator)
    for _ in range(seed % 3):
        noise = (noise + noise.roll(1)) / 1.6 + 0.4 * noise.roll(40)
    return (noise * 4000).clamp(-32768, 32767).to(torch.int16).numpy().tobytes()


def without_graphs(sessions: Sequence[RenderSession]) -> str:
    """Return why sessions were not rendered by CUDA graphs; empty if they were."""
    for rig in {session.rig for session in sessions}:
        if not isinstance(rig, GraphedRig):
            return "the rig cannot be captured as a CUDA graph"
        if rig.capture_error:
            return rig.capture_error
    return ""


def max_sessions(batch: int, pass_ms: float) -> int:
    """Return how many sessions of 25 frames per second such passes can serve."""
    return int(batch * 1000 / (pass_ms * FPS))


def difference(first: Tensor, second: Tensor) -> PixelDifference:
    """Return how two stacks of frames differ."""
    apart = (first.cpu().int() - second.cpu().int()).abs()
    beyond = (apart > CLOSE_CODES).float().mean()
    return PixelDifference(int(apart.max()), float(apart.float().mean()), float(beyond))
