"""Renderer as sessions use it: one thread draws frames, another one builds rigs."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from lite_gateway.errors import Refused, RenderFailed
from lite_gateway.foreign.text import foreign_text
from lite_gateway.metrics import Metrics
from lite_gateway.playout.batcher import Batcher
from lite_gateway.playout.interfaces import Render
from lite_gateway.playout.pass_times import FRAME_S, frame_time, speech_frame
from lite_gateway.playout.render_watch import RenderWatch
from lite_gateway.threads import pool
from lite_gateway.video_quality import WARM_QUALITY, VideoQuality
from renderer.avatar import Avatar, BrokenAvatar, UnusableBackground
from renderer.engine import Engine, RenderJob, RenderSession
from renderer.frames import FrameRequest, VideoFrame

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_WARM_FRAMES = 8
HANGING_S = 3.0  # a batch takes some 0.01 s; so long, and sessions show no motion
FAILING_S = 2.0  # every frame has failed for so long
BUILDING_S = 15.0  # the largest rig is built in a few seconds, also on a busy machine


class RenderThreads:
    """Engine, batcher and the thread that builds rigs, shared by all sessions."""

    def __init__(self, metrics: Metrics, engine: Engine) -> None:
        self._engine = engine
        # Processor time leaves out what other processes do meanwhile.
        clock = time.thread_time if engine.works_alone else time.perf_counter
        self._batcher = Batcher(self._engine.render, metrics, clock=clock)
        self._rigs = pool(1, "rigs")
        self._rig_jobs: dict[object, float] = {}  # since when each one waits or runs
        self._watch = RenderWatch(self._batcher, self._probe)
        self._warm: Render | None = None  # draws frames that nobody sees
        self._warm_frames = 0

    @property
    def device(self) -> str:
        return str(self._engine.device)

    @property
    def worked_s(self) -> float:
        """Time in which frames were rendered so far."""
        return self._batcher.worked_s

    async def frame_time(
        self, avatar: Avatar, wanted: Callable[[], bool]
    ) -> float | None:
        """Return how long a frame of `WARM_QUALITY` takes here, see `frame_time`."""
        sessions: list[Render] = []

        async def renders(count: int) -> list[Render]:
            while len(sessions) < count:
                sessions.append(await self.open(avatar, WARM_QUALITY))
            return sessions

        with self._batcher.measuring():
            return await frame_time(
                renders,
                lambda: self._batcher.newest_pass,
                now=time.monotonic,
                wanted=wanted,
            )

    def draw_time(self, avatar: str, quality: VideoQuality) -> float | None:
        """Return how long the rig of an avatar draws one face; None: not built yet."""
        return self._engine.draw_time(avatar, quality.width, quality.height)

    async def run(self) -> None:
        """Draw until cancelled."""
        await self._batcher.run()

    async def open(
        self, avatar: Avatar, quality: VideoQuality, background: str = ""
    ) -> Render:
        """
        Return the function that draws a new session's frames.

        ``background``: one of `renderer.avatar.check_background`. The first session of
        an avatar at a size and with a background waits until its rig is built. The
        returned function raises `RenderFailed` for a frame that could not be drawn.
        Raise `Refused` if the package has been damaged since it was loaded, or has no
        such background any more.
        """
        seed = time.monotonic_ns() % 2**31

        def build() -> RenderSession:
            return self._engine.open_session(
                *(avatar, quality.width, quality.height),
                seed=seed,
                background=background,
            )

        try:
            session = await self._on_rig_thread(build)
        except BrokenAvatar as error:
            text = f"avatar {avatar.name}: its package is broken: {foreign_text(error)}"
            raise Refused(422, text) from error
        except UnusableBackground as error:
            raise Refused(422, str(error)) from error

        async def render(request: FrameRequest) -> VideoFrame:
            return await self._batcher.frame(RenderJob(session, request))

        return render

    async def warm_up(self, avatar: Avatar) -> None:
        """Draw the first frames, which are slow, before a session needs one."""
        render = await self.open(avatar, WARM_QUALITY)
        for index in range(_WARM_FRAMES):
            await render(speech_frame(index, 1))
        self._warm, self._warm_frames = render, _WARM_FRAMES
        self._watch.begin()
        log.info("renderer is warm, device=%s", self.device)

    @property
    def fault(self) -> str | None:
        """Reason why no frames are drawn at the moment; None if they are."""
        if self._warm is None:
            return "the renderer is warming up"
        if self._batcher.stuck_s >= HANGING_S:
            return "the renderer hangs in a frame"
        if self._batcher.failing_s >= FAILING_S:
            return "the renderer fails at every frame"
        oldest_s = min(self._rig_jobs.values(), default=math.inf)
        if time.monotonic() - oldest_s >= BUILDING_S:
            return "the preparation of an avatar hangs"
        return None

    async def watch(self) -> None:
        """Watch the renderer until cancelled, see `RenderWatch`."""
        await self._watch.run()

    async def _probe(self) -> None:
        """Draw a frame without and one with speech; a turn of its own begins afresh."""
        if self._warm is None:
            return
        self._warm_frames += 1
        index = self._warm_frames
        await self._warm(FrameRequest(index, index * FRAME_S, "idle"))
        await self._warm(speech_frame(index, index))

    async def evict(self, names: set[str]) -> None:
        """
        Drop the rigs of avatars that have changed.

        New sessions get the changed avatars; sessions that run keep their rigs.
        """
        await self._on_rig_thread(lambda: self._engine.evict(names))

    async def _on_rig_thread(self, work: Callable[[], Result]) -> Result:
        job = object()
        self._rig_jobs[job] = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._rigs, partial(_contained, work))
        finally:
            del self._rig_jobs[job]

    def close(self) -> None:
        self._rigs.shutdown(wait=False)


def _contained(work: Callable[[], Result]) -> Result:
    """Call code of others: nothing that it raises may mean more to the event loop."""
    try:
        return work()
    except StopIteration as error:
        raise RenderFailed("the avatar could not be prepared") from error
    except Exception:
        raise
    except BaseException as error:  # boundary: KeyboardInterrupt would end the loop
        raise RenderFailed("the avatar could not be prepared") from error
