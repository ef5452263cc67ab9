"""Renderer as sessions use it: one thread draws frames, another one builds rigs."""

import asyncio
import logging
import time
from collections.abc import Callable

import torch

from lite_gateway.metrics import Metrics
from lite_gateway.playout.batcher import Batcher
from lite_gateway.playout.interfaces import Render
from lite_gateway.threads import pool
from lite_gateway.video_quality import VideoQuality, parse_quality
from renderer.avatar import Avatar
from renderer.engine import Engine, RenderJob, RenderSession
from renderer.frames import SAMPLE_RATE, FrameRequest, VideoFrame
from renderer.speech.driver import Driver

log = logging.getLogger(__name__)

_WARM_FRAMES = 8
_WARM_QUALITY = "512x512"
_FRAME_S = 0.04


class RenderThreads:
    """Engine, batcher and the thread that builds rigs, shared by all sessions."""

    def __init__(
        self, metrics: Metrics, *, device: str, driver: Driver | None, threads: int
    ) -> None:
        """
        Load the engine, which takes seconds.

        ``threads`` is how many CPU threads one frame may use: torch would take every
        core and slow down the encoders. torch has one such setting per process.
        """
        torch.set_num_threads(threads)
        self._engine = Engine(device=device, driver=driver)
        self._batcher = Batcher(self._engine.render, metrics)
        self._rigs = pool(1, "rigs")

    @property
    def device(self) -> str:
        return str(self._engine.device)

    async def run(self) -> None:
        """Draw until cancelled."""
        await self._batcher.run()

    async def open(self, avatar: Avatar, quality: VideoQuality) -> Render:
        """
        Return the function that draws a new session's frames.

        The first session of an avatar at a size waits until its rig is built. The
        returned function raises `RenderFailed` for a frame that could not be drawn.
        """
        seed = time.monotonic_ns() % 2**31

        def build() -> RenderSession:
            return self._engine.open_session(
                avatar, quality.width, quality.height, seed=seed
            )

        loop = asyncio.get_running_loop()
        session = await loop.run_in_executor(self._rigs, build)

        async def render(request: FrameRequest) -> VideoFrame:
            return await self._batcher.frame(RenderJob(session, request))

        return render

    async def warm_up(self, avatar: Avatar) -> None:
        """Draw the first frames, which are slow, before a session needs one."""
        render = await self.open(avatar, parse_quality(_WARM_QUALITY))
        speech = bytes(2 * round(_FRAME_S * SAMPLE_RATE))
        for index in range(_WARM_FRAMES):
            lookahead = len(speech) // 2
            await render(
                FrameRequest(index, index * _FRAME_S, "talking", 1, speech, lookahead)
            )
        log.info("renderer is warm, device=%s", self.device)

    async def reload(self, rescan: Callable[[], set[str]]) -> None:
        """
        Run ``rescan`` where rigs are built, and drop the rigs of the avatars it names.

        New sessions get the changed avatars; sessions that run keep their rigs.
        """

        def work() -> None:
            if changed := rescan():
                self._engine.evict(changed)

        await asyncio.get_running_loop().run_in_executor(self._rigs, work)

    def close(self) -> None:
        self._rigs.shutdown(wait=False)
