"""
Engine: renders the frames of many sessions in one pass.

It is synchronous. Two threads may use it at the same time: one that calls
`Engine.render`, and one that calls `Engine.open_session` and `Engine.evict`. Only the
second one touches the cache of rigs. It draws with a rig while it warms it up, before
any session has that rig; after that, only `Engine.render` draws with it. So one thread
at a time draws with a rig, and rigs may have scratch memory.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.avatar import Avatar, check_background, make_rig
from renderer.device import limit_torch, open_device
from renderer.face import ARKIT, SIZE
from renderer.frames import FrameRequest, VideoFrame
from renderer.life.life import Life
from renderer.life.native_voice import voice_analysis
from renderer.rig import Rig, RigInput
from renderer.rig_cache import RigCache, RigKey
from renderer.speech.driver import AudioChunk, Driver, begin, drive
from renderer.speech.given_phones import make_built_in_driver

Face = npt.NDArray[np.float32]

_TIMED_DRAWS = 2
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
    Renderer of all sessions. Sessions with the same avatar, size and background share a
    rig.

    ``graphs``: use CUDA graphs for the rigs that support them; None: only on CUDA.
    ``native``: use native code, which needs no torch; None: on a CPU with a build.
    ``threads`` of torch, where it is used; None: leave them as they are.
    ``on_stage_done`` is called with each name of `STAGES` when a pass completes it.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        driver: Driver | None = None,
        graphs: bool | None = None,
        native: bool | None = None,
        threads: int | None = None,
        on_stage_done: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._device = open_device(device, native, graphs, threads)
        self.device = self._device.name
        self._own_driver = driver is None
        if driver is not None and threads is not None:
            limit_torch(threads)
        self._driver: Driver = driver or make_built_in_driver(self.device, native)
        self._begin_voice = voice_analysis(self.device, native)
        self._native = native
        self._on_stage_done = on_stage_done
        self._rigs = RigCache(self._time_draw)

    @property
    def works_alone(self) -> bool:
        """Tell whether a pass does all its work in the thread that calls `render`."""
        return self._device.works_alone and self._own_driver

    def open_session(
        self,
        avatar: Avatar,
        width: int,
        height: int,
        *,
        seed: int,
        background: str = "",
    ) -> RenderSession:
        """
        Return the render state of a new session; ``seed`` is that of its idle motion.

        ``background`` is one of `check_background`; empty: the avatar's own. The first
        session of an avatar at a size, and of each background, builds and warms up a
        rig, which takes up to seconds.
        """
        background = check_background(avatar, background)
        key = RigKey(avatar.name, width, height, background)
        rig = self._rigs.find_or_build(key, lambda: self._make_rig(avatar, key))
        return RenderSession(rig, Life(seed, self._begin_voice))

    def draw_time(self, avatar: str, width: int, height: int) -> float | None:
        """
        Return the time to draw one face, in seconds, as measured with the rig's build.

        None: there is no such rig. The face is at rest; one that speaks takes a
        little longer. Any thread may call this.
        """
        return self._rigs.draw_time(avatar, width, height)

    def evict(self, names: set[str]) -> None:
        """
        Drop the cached rigs of avatars that have changed.

        New sessions get a new rig; open sessions keep the old one.
        """
        self._rigs.evict(names)

    def _make_rig(self, avatar: Avatar, key: RigKey) -> Rig:
        rig = make_rig(
            *(avatar, key.width, key.height, self.device, self._native),
            background=key.background,
        )
        return self._device.warm_up(rig)

    def _time_draw(self, rig: Rig) -> float:
        """Return the least time to draw one face, in seconds, of a few tries."""
        return min(self._device.draw_time(rig) for _ in range(_TIMED_DRAWS))

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
            batches.append(self._device.draw(rig, faces[indices], rig_inputs))
        self._on_stage_done("draw")
        frames: dict[int, VideoFrame] = {}
        arrays = self._device.read_back(batches)
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
                session.driver_state = begin(self._driver)
                session.turn = request.turn
            chunks.append(
                AudioChunk(
                    *(samples(request.pcm), request.lookahead_samples, request.phones)
                )
            )
        states = [job.session.driver_state for job in jobs]
        mouths = drive(self._driver, states, chunks)
        for job, mouth in zip(jobs, mouths, strict=True):
            job.session.mouth = mouth


def samples(pcm: bytes) -> npt.NDArray[np.float32]:
    """Convert s16le bytes to ``[n]`` float32 in -1..1."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) * np.float32(1 / 32768)


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
